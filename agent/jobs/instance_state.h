#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// The state of a process of a job, as in its record.
enum class InstanceState : std::uint8_t {
  starting,
  running,
  standby,  ///< waits at its first step boundary for a job that arrives
  moved,    ///< its job is at another place now
  ended,    ///< it ended by itself, with exit code 0
  stopped,  ///< it ended because somebody asked for it
  failed,   ///< it ended by a signal or with another exit code
  lost,     ///< it ended, and it is not known how
};
constexpr InstanceState last_of(InstanceState) { return InstanceState::lost; }

/// Names a state, such as "running", in JSON, in the journal and for people.
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

/// Whether a process in that state runs or is about to run.
[[nodiscard]] constexpr bool is_live_state(InstanceState state) {
  return state == InstanceState::starting || state == InstanceState::running ||
         state == InstanceState::standby;
}

}  // namespace cardswap
