#pragma once

#include <cstdint>
#include <string>

#include "agent/base/boot.h"

namespace cardswap {

/// What is known of a job whose end nobody saw.
struct LastSeen {
  bool host_restarted = false;
  std::int64_t booted_at_ms = 0;  ///< the host's last boot (Unix time); 0: not known
  std::int64_t now_ms = 0;        ///< Unix time
  std::uint64_t step = 0;         ///< the last known step; 0: none
};
/// "host restarted at 18:44, last seen at step 231", in this host's time zone. Pure apart from
/// that.
[[nodiscard]] std::string why_lost(const LastSeen& seen);

}  // namespace cardswap
