#pragma once

#include <string_view>

#include "agent/health/sources/kernel_record.h"

namespace cardswap::health {

/// Reads the prefix that log daemons and dmesg put before a kernel message: times, brackets,
/// levels, the host's name and "kernel:", in any order. Fills `at`, `uptime` and `host`. Any other
/// word makes the form unknown. Pure.
[[nodiscard]] KernelRecord::Kind read_prefix(std::string_view text, Ms now, KernelRecord& record);

}  // namespace cardswap::health
