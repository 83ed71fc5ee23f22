#include "agent/handover/protocol/target_side.h"

#include <utility>

namespace cardswap::handover {

using Type = Effect::Type;
using Kind = Message::Kind;

Message TargetSide::status() const {
  return {Kind::status, record_.epoch, record_.content, Decision::pending, record_.state};
}

/// Whether the event is possible here: a keeper is never granted the job, also not by an operator,
/// and a standby stores nothing.
bool TargetSide::may_be(TargetEvent event) const {
  switch (event) {
    case TargetEvent::grant_fits:
    case TargetEvent::forced_to_target: return !record_.to_store;
    case TargetEvent::standby_stored: return record_.to_store;
    default: return true;
  }
}

Effects TargetSide::on(TargetEvent event) {
  Effects effects;
  if (!may_be(event)) return effects;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return effects;
  const auto before = std::exchange(record_.state, rule->to);
  if (event == TargetEvent::forced_to_target) record_.notice_pending = true;
  if (rule->to != before || event == TargetEvent::standby_verified) {
    effects.add(Effect{Type::journal, needs_disk(*rule), 0, {}});
  }
  switch (rule->then) {
    case TargetAction::none: break;
    case TargetAction::halt_trainer: effects.add(Type::halt_trainer); break;
    case TargetAction::start: effects.add(Type::start_standby, record_.epoch); break;
    case TargetAction::grant: effects.add(Type::grant, record_.epoch); break;
    case TargetAction::kill: effects.add(Type::kill_standby); break;
    case TargetAction::resume: effects.add(Type::resume); break;
    case TargetAction::ask:
      effects.send({Kind::ask, record_.epoch, record_.content, Decision::pending, record_.state});
      break;
  }
  return effects;
}

Effects TargetSide::granted(const Message& message) {
  if (message.epoch != record_.epoch) return on(TargetEvent::grant_of_another_epoch);
  if (is_granted(record_.state)) return on_source_contact();
  return on(message.content == record_.content ? TargetEvent::grant_fits
                                               : TargetEvent::grant_of_another_state);
}

/// Under this migration's epoch it is given up; under a higher one the job goes on at its source.
Effects TargetSide::dropped(Epoch epoch) {
  if (epoch < record_.epoch) return {};
  if (epoch == record_.epoch || !is_granted(record_.state)) return on(TargetEvent::drop);
  auto effects = on(TargetEvent::taken_back);
  for (auto& effect : effects) {
    if (effect.type == Type::halt_trainer) effect.epoch = epoch;
  }
  return effects;
}

Effects TargetSide::on_source_contact() {
  Effects effects;
  if (std::exchange(record_.notice_pending, false))
    effects.add(Effect{Type::journal, false, 0, {}});
  return effects;
}

Effects TargetSide::tick() const {
  Effects effects;
  if (record_.notice_pending && is_granted(record_.state)) effects.send(status());
  return effects;
}

Effects TargetSide::on(const Message& message) {
  Effects effects;
  const bool known = record_.state != TargetState::nothing;
  switch (message.kind) {
    case Kind::reserve:
      if (!known) record_.epoch = message.epoch;
      effects = on(TargetEvent::reserve);
      break;
    case Kind::grant: effects = granted(message); break;
    case Kind::drop: effects = dropped(message.epoch); break;
    case Kind::decision:
      if (message.epoch != record_.epoch) return effects;
      if (message.decision == Decision::committed) return granted(message);
      if (message.decision == Decision::aborted) return on(TargetEvent::drop);
      return effects;
    case Kind::poll: break;
    case Kind::status:
    case Kind::ask: return effects;
  }
  auto answer = status();
  if (record_.state == TargetState::nothing) answer.epoch = message.epoch;
  effects.send(answer);
  return effects;
}

Effects TargetSide::verified(const Content& content) {
  const auto state = record_.state;
  if (state == TargetState::parked || state == TargetState::verified) record_.content = content;
  return on(TargetEvent::standby_verified);
}

}  // namespace cardswap::handover
