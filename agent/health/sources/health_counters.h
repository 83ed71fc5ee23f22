#pragma once

#include <array>
#include <cstdint>

#include "agent/health/sources/alert_target.h"
#include "agent/health/sources/kernel_reader.h"

namespace cardswap::health {

/// Counts what reached the monitor from outside since the agent started, for /metrics and GET
/// /v1/health.
struct HealthCounters {
  std::array<std::uint64_t, 3> alerts{};  ///< by AlertScope
  std::uint64_t alerts_unreadable = 0;
  std::uint64_t webhooks_taken = 0;                      ///< calls that were answered with 200
  std::uint64_t webhooks_refused = 0;                    ///< calls that failed
  std::array<std::uint64_t, kLineFates> kernel_lines{};  ///< by LineFate
  std::uint64_t kernel_gaps = 0;  ///< how often a part of the log could not be read
  std::uint64_t moves_started = 0;
  std::uint64_t moves_failed = 0;

  [[nodiscard]] std::uint64_t of(AlertScope scope) const {
    return alerts.at(static_cast<std::size_t>(scope));
  }
  [[nodiscard]] std::uint64_t of(LineFate fate) const {
    return kernel_lines.at(static_cast<std::size_t>(fate));
  }
};

}  // namespace cardswap::health
