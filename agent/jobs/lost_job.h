#pragma once

#include <cstdint>
#include <string>

#include "agent/base/boot.h"

namespace cardswap {

/// The last that is known of a job that ended unseen.
struct LastSeen {
  bool host_restarted = false;
  std::int64_t booted_at_ms = 0;  ///< the host's last boot
  std::int64_t now_ms = 0;
  std::uint64_t step = 0;  ///< last seen step; 0: none
};
/// "host restarted at 18:44, last seen at step 231", by the clock of this host. Pure but for its
/// time zone.
[[nodiscard]] std::string why_lost(const LastSeen& seen);

}  // namespace cardswap
