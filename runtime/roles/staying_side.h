#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/staying_rules.h"

namespace cardswap {

/// The state of a trainer whose rank stays in a gang. It obeys its agent and decides nothing.
///
/// A value, like TrainerSide: events in, actions out, no I/O, no threads. An event that has no rule
/// in the present state (a late one, a second one, one of another gang) changes nothing and returns
/// StayingAction::none. The caller takes the action and tells this side the result.
class StayingSide {
 public:
  explicit StayingSide(std::span<const StayingRule> rules = kStayingRules) : rules_(rules) {}
  /// A side in `state`, in `gang`, whose gate is set to `step`. For tests.
  StayingSide(StayingState state, std::string gang, std::uint64_t step,
              std::span<const StayingRule> rules = kStayingRules)
      : rules_(rules), state_(state), gang_(std::move(gang)), step_(step) {}

  [[nodiscard]] StayingState state() const { return state_; }
  /// The gang under way, or the latest one if it is `closed`; empty: none.
  [[nodiscard]] const std::string& gang() const { return gang_; }
  /// The step to which the gate is set; from `armed` to `checked`.
  [[nodiscard]] std::uint64_t step() const { return step_; }

  /// Takes a message of the agent. A message that is not of a gang is ignored.
  StayingAction on(const channel::Message& message);
  /// Takes an event of the training thread, or the result of an action, in the present gang.
  StayingAction on(StayingEvent event);
  /// Takes such an event; ignores it if `gang` is not the present one, because what is built or
  /// checked beside the loop may end late.
  StayingAction on(StayingEvent event, std::string_view gang);
  /// Takes the gate's answer to the action `arm`: it is set to `step`, or it is late.
  StayingAction gate_answered(bool is_set, std::uint64_t step);

 private:
  StayingAction begin(const channel::BuildNext& build);
  StayingAction released(std::string_view gang);

  std::span<const StayingRule> rules_;
  StayingState state_ = StayingState::training;
  std::string gang_;
  std::uint64_t step_ = 0;
};

}  // namespace cardswap
