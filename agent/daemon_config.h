#pragma once

#include "agent/base/config.h"
#include "agent/daemon_options.h"

namespace cardswap {

/// Reads the options, looks this host and its GPUs up, and refuses what would open a door that
/// nobody asked for. Throws Error{bad_request, refused}.
[[nodiscard]] Config config_from(const DaemonOptions& options);

/// Logs what an operator should read once: who may do more here than the setting looks like.
void warn_of_open_doors(const Config& config, const DaemonOptions& options);

}  // namespace cardswap
