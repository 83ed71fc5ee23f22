#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// The states, events and actions of the trainer of a rank that stays while other ranks of its job
/// move: a gang, docs/architecture.md.
namespace cardswap {

/// Where such a trainer is in its gang.
enum class StayingState : std::uint8_t {
  training,      ///< it is in no gang
  building,      ///< it trains, and the next communicator is being built beside it
  build_failed,  ///< that failed: it trains, and waits for its release
  built,         ///< it trains, and has the next communicator
  armed,         ///< its gate is set to the proposed step, and it is on its way there
  parked,        ///< it stands there; a later step may still be proposed
  checking,      ///< the step is agreed: it tries the next communicator with the others
  checked,       ///< that works; from here on it does what its conductor decides
  switched,      ///< it goes on with the next communicator; its first step is under way
  confirmed,     ///< its first step is done; the old communicator is still there
  closed,        ///< it trains, and the old communicator is closed
};
constexpr StayingState last_of(StayingState) { return StayingState::closed; }
inline constexpr std::size_t kStayingStates = kCountOf<StayingState>;

/// What happens to it. The agent's events come first: kStayingAgentEvents counts them.
enum class StayingEvent : std::uint8_t {
  // from its agent
  build_next,
  arm,
  check,
  switch_over,
  close_old,
  release,
  // results of actions
  next_built,
  not_built,
  gate_set,   ///< the gate is set to a step that the training thread has yet to reach
  gate_kept,  ///< the gate is set to the step at which the training thread stands
  gate_late,  ///< the training thread is past that step
  check_passed,
  check_failed,
  // from the training thread
  reached,  ///< it is parked at the step to which the gate is set
  stepped,  ///< its first step with the next communicator is done
};
constexpr StayingEvent last_of(StayingEvent) { return StayingEvent::stepped; }
inline constexpr std::size_t kStayingEvents = kCountOf<StayingEvent>;
/// How many events come from the agent: the first ones.
inline constexpr std::size_t kStayingAgentEvents =
    static_cast<std::size_t>(StayingEvent::release) + 1;

/// What is done after an event.
enum class StayingAction : std::uint8_t {
  none,
  build,        ///< ends in next_built or not_built
  arm,          ///< ends in gate_set, gate_kept or gate_late
  check,        ///< ends in check_passed or check_failed
  switch_over,  ///< exchange the communicator, take the next epoch, and let the loop go on
  close,        ///< close the old communicator
  release,      ///< drop the next communicator, let the loop go on with the old one, send Released
  answer,       ///< send Released, and do nothing else
  report,       ///< tell the agent of the event, or of what it asks for again
  refuse,       ///< send Failed or CheckFailed
};

/// One line of the table: in state `from`, event `on` leads to state `to` and action `then`.
struct StayingRule {
  StayingState from;
  StayingEvent on;
  StayingState to;
  StayingAction then;
};

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(StayingState state);
[[nodiscard]] std::string_view to_string(StayingEvent event);

}  // namespace cardswap
