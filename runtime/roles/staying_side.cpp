#include "runtime/roles/staying_side.h"

#include <variant>

namespace cardswap {

StayingAction StayingSide::on(StayingEvent event) {
  const auto rule = rule_for(rules_, state_, event);
  if (!rule) return StayingAction::none;
  state_ = rule->to;
  if (state_ == StayingState::training) gang_.clear();
  return rule->then;
}

StayingAction StayingSide::on(StayingEvent event, std::string_view gang) {
  return gang == gang_ ? on(event) : StayingAction::none;
}

StayingAction StayingSide::on(const channel::Message& message) {
  if (const auto* build = std::get_if<channel::BuildNext>(&message)) return begin(*build);
  if (const auto* arm = std::get_if<channel::Arm>(&message))
    return on(StayingEvent::arm, arm->gang);
  if (const auto* check = std::get_if<channel::Check>(&message)) {
    return on(StayingEvent::check, check->gang);
  }
  if (const auto* go = std::get_if<channel::SwitchOver>(&message)) {
    return on(StayingEvent::switch_over, go->gang);
  }
  if (const auto* close = std::get_if<channel::CloseOld>(&message)) {
    return on(StayingEvent::close_old, close->gang);
  }
  if (const auto* release = std::get_if<channel::Release>(&message)) {
    return released(release->migration);
  }
  return StayingAction::none;
}

/// Another gang begins only where none is under way; the same one is not begun again when it is
/// over.
StayingAction StayingSide::begin(const channel::BuildNext& build) {
  const bool is_same = build.gang == gang_;
  const bool is_free = state_ == StayingState::training || state_ == StayingState::closed;
  if (is_same == is_free) return StayingAction::none;
  const auto action = on(StayingEvent::build_next);
  if (action == StayingAction::build) gang_ = build.gang;
  return action;
}

/// A trainer that is in no gang answers a release of any gang.
StayingAction StayingSide::released(std::string_view gang) {
  if (state_ != StayingState::training && gang != gang_) return StayingAction::none;
  return on(StayingEvent::release);
}

StayingAction StayingSide::gate_answered(bool is_set, std::uint64_t step) {
  if (!is_set) return on(StayingEvent::gate_late);
  const bool is_there = is_parked(state_) && step == step_;
  const auto action = on(is_there ? StayingEvent::gate_kept : StayingEvent::gate_set);
  if (action != StayingAction::none) step_ = step;
  return action;
}

}  // namespace cardswap
