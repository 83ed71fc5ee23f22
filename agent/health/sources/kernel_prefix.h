#pragma once

#include <string_view>

#include "agent/health/sources/kernel_record.h"

namespace cardswap::health {

/// Reads what log daemons and dmesg put before a kernel message: times, brackets, levels, the
/// host's name and "kernel:", in any order. Fills `at`, `uptime` and `host` of `record`. Anything
/// else makes it unknown_form. Pure.
[[nodiscard]] KernelRecord::Kind read_prefix(std::string_view text, Ms now, KernelRecord& record);

}  // namespace cardswap::health
