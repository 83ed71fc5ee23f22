#pragma once

#include "agent/base/config.h"
#include "agent/daemon_options.h"

namespace cardswap {

/// Makes the configuration of the options and of what this host has (names, GPUs). Refuses settings
/// that would give others access without saying so. Throws Error{bad_request, refused}.
[[nodiscard]] Config config_from(const DaemonOptions& options);

/// Logs warnings for settings that give others more access than they seem to.
void warn_of_wide_access(const Config& config, const DaemonOptions& options);

}  // namespace cardswap
