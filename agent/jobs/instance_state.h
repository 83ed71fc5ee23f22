#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// Where a process of a job stands, as its record has it.
enum class InstanceState : std::uint8_t {
  starting,
  running,
  standby,  ///< waits at its first boundary for a job on its way here
  moved,    ///< the job is elsewhere; this is what is left of it
  ended,
  stopped,  ///< somebody asked for that
  failed,
  lost,  ///< nobody saw how it ended
};
constexpr InstanceState last_of(InstanceState) { return InstanceState::lost; }

/// "running", as JSON, journal and people have it.
[[nodiscard]] constexpr std::string_view to_string(InstanceState state) {
  using enum InstanceState;
  switch (state) {
    case starting: return "starting";
    case running: return "running";
    case standby: return "standby";
    case moved: return "moved";
    case ended: return "ended";
    case stopped: return "stopped";
    case failed: return "failed";
    case lost: return "lost";
  }
  return "lost";
}

/// Whether a process in that state is there, or is about to be.
[[nodiscard]] constexpr bool is_live_state(InstanceState state) {
  return state == InstanceState::starting || state == InstanceState::running ||
         state == InstanceState::standby;
}

}  // namespace cardswap
