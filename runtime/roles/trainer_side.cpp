#include "runtime/roles/trainer_side.h"

#include <utility>
#include <variant>

namespace cardswap {

TrainerAction TrainerSide::on(TrainerEvent event) {
  const auto rule = rule_for(rules_, state_, event);
  if (!rule) return TrainerAction::none;
  state_ = rule->to;
  if (state_ == TrainerState::training) {
    migration_.clear();
    state_digest_.reset();
  }
  return rule->then;
}

TrainerAction TrainerSide::on(TrainerEvent event, std::string_view migration) {
  return migration == migration_ ? on(event) : TrainerAction::none;
}

TrainerAction TrainerSide::on(const channel::Message& message) {
  using Event = TrainerEvent;
  if (const auto* begin_now = std::get_if<channel::BeginSync>(&message)) return begin(*begin_now);
  if (const auto* freeze = std::get_if<channel::Freeze>(&message)) {
    return on(Event::freeze, freeze->migration);
  }
  if (const auto* release = std::get_if<channel::Release>(&message)) {
    return released(release->migration);
  }
  if (const auto* retire = std::get_if<channel::Retire>(&message)) {
    return on(Event::retire, retire->migration);
  }
  if (const auto* grant = std::get_if<channel::Grant>(&message)) {
    const bool fits =
        state_ == TrainerState::standby_verified && state_digest_ == grant->state_digest;
    return on(fits ? Event::grant_fits : Event::grant_of_another_state, grant->migration);
  }
  if (const auto* depart = std::get_if<channel::Depart>(&message)) {
    const bool may = state_ == TrainerState::verified && arrival_ == ArrivalMode::criu;
    return on(may ? Event::depart : Event::depart_refused, depart->migration);
  }
  // DepartedRole checks the migration: this process was restored elsewhere in any case.
  if (std::holds_alternative<channel::Arrived>(message)) return on(Event::arrived);
  return TrainerAction::none;
}

TrainerAction TrainerSide::begin(const channel::BeginSync& begin) {
  const auto action = on(TrainerEvent::begin_sync);
  if (action == TrainerAction::none) return action;
  migration_ = begin.migration;
  arrival_ = begin.spec.arrive;
  state_digest_.reset();
  return action;
}

/// A trainer that is in no migration answers a release of any migration.
TrainerAction TrainerSide::released(std::string_view migration) {
  if (state_ != TrainerState::training && migration != migration_) return TrainerAction::none;
  return on(TrainerEvent::release);
}

TrainerAction TrainerSide::verified(TrainerEvent event, std::string_view migration,
                                    const Digest& state_digest) {
  const auto action = on(event, migration);
  if (action != TrainerAction::none) state_digest_ = state_digest;
  return action;
}

TrainerAction TrainerSide::stand_by(std::string migration) {
  const auto action = on(TrainerEvent::stands_by);
  if (action != TrainerAction::none) migration_ = std::move(migration);
  return action;
}

}  // namespace cardswap
