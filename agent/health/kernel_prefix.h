#pragma once

#include <string_view>

#include "agent/health/kernel_record.h"

namespace cardswap::health {

/// Reads what log daemons and dmesg put before a message of the kernel: times, brackets, levels,
/// the host's name and "kernel:", in any order in which they are met. Fills `at`, `uptime` and
/// `host`. A word that is none of these makes the form unknown. Pure.
[[nodiscard]] KernelRecord::Kind read_prefix(std::string_view text, Ms now, KernelRecord& record);

}  // namespace cardswap::health
