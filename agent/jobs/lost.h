#pragma once

#include <cstdint>
#include <string>

namespace cardswap {

/// Of this host's kernel since it was started; empty where it tells none.
[[nodiscard]] std::string boot_id();
/// When that was, in milliseconds since 1970; 0: not known.
[[nodiscard]] std::int64_t booted_at_ms();

/// What is known of a job that ended without anybody who could tell how.
struct LastSeen {
  bool host_restarted = false;
  std::int64_t booted_at_ms = 0;  ///< the host, last
  std::int64_t now_ms = 0;
  std::uint64_t step = 0;  ///< 0: none was seen
};
/// "host restarted at 18:44, last seen at step 231", by the clock of this host. Pure but for its
/// time zone.
[[nodiscard]] std::string why_lost(const LastSeen& seen);

}  // namespace cardswap
