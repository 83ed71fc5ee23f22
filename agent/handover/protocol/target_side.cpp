#include "agent/handover/protocol/target_side.h"

#include <utility>

namespace cardswap::handover {

using Type = Effect::Type;
using Kind = Message::Kind;

Message TargetSide::status() const {
  return {Kind::status, durable_.epoch, durable_.content, Decision::pending, durable_.state};
}

/// Whether the event is possible here: a keeper is never granted the job, also not by an operator,
/// and a standby stores nothing.
bool TargetSide::may_be(TargetEvent event) const {
  switch (event) {
    case TargetEvent::grant_fits:
    case TargetEvent::forced_to_target: return !durable_.to_store;
    case TargetEvent::standby_stored: return durable_.to_store;
    default: return true;
  }
}

Effects TargetSide::on(TargetEvent event) {
  Effects effects;
  if (!may_be(event)) return effects;
  const auto rule = rule_for(rules_, durable_.state, event);
  if (!rule) return effects;
  const auto before = std::exchange(durable_.state, rule->to);
  if (event == TargetEvent::forced_to_target) durable_.notice_pending = true;
  if (rule->to != before || event == TargetEvent::standby_verified) {
    effects.add(Effect{Type::journal, needs_disk(*rule), 0, {}});
  }
  switch (rule->then) {
    case TargetAction::none: break;
    case TargetAction::halt_trainer: effects.add(Type::halt_trainer); break;
    case TargetAction::start: effects.add(Type::start_standby, durable_.epoch); break;
    case TargetAction::grant: effects.add(Type::grant, durable_.epoch); break;
    case TargetAction::kill: effects.add(Type::kill_standby); break;
    case TargetAction::let_on: effects.add(Type::let_on); break;
    case TargetAction::ask:
      effects.send(
          {Kind::ask, durable_.epoch, durable_.content, Decision::pending, durable_.state});
      break;
  }
  return effects;
}

Effects TargetSide::granted(const Message& message) {
  if (message.epoch != durable_.epoch) return on(TargetEvent::grant_of_another_epoch);
  if (is_granted(durable_.state)) return on_source_contact();
  return on(message.content == durable_.content ? TargetEvent::grant_fits
                                                : TargetEvent::grant_of_another_state);
}

/// Under this migration's epoch it is given up; under a higher one the job goes on at its source.
Effects TargetSide::dropped(Epoch epoch) {
  if (epoch < durable_.epoch) return {};
  if (epoch == durable_.epoch || !is_granted(durable_.state)) return on(TargetEvent::drop);
  auto effects = on(TargetEvent::taken_back);
  for (auto& effect : effects) {
    if (effect.type == Type::halt_trainer) effect.epoch = epoch;
  }
  return effects;
}

Effects TargetSide::on_source_contact() {
  Effects effects;
  if (std::exchange(durable_.notice_pending, false))
    effects.add(Effect{Type::journal, false, 0, {}});
  return effects;
}

Effects TargetSide::tick() const {
  Effects effects;
  if (durable_.notice_pending && is_granted(durable_.state)) effects.send(status());
  return effects;
}

Effects TargetSide::on(const Message& message) {
  Effects effects;
  const bool known = durable_.state != TargetState::nothing;
  switch (message.kind) {
    case Kind::reserve:
      if (!known) durable_.epoch = message.epoch;
      effects = on(TargetEvent::reserve);
      break;
    case Kind::grant: effects = granted(message); break;
    case Kind::drop: effects = dropped(message.epoch); break;
    case Kind::decision:
      if (message.epoch != durable_.epoch) return effects;
      if (message.decision == Decision::committed) return granted(message);
      if (message.decision == Decision::aborted) return on(TargetEvent::drop);
      return effects;
    case Kind::poll: break;
    case Kind::status:
    case Kind::ask: return effects;
  }
  auto answer = status();
  if (durable_.state == TargetState::nothing) answer.epoch = message.epoch;
  effects.send(answer);
  return effects;
}

Effects TargetSide::verified(const Content& content) {
  const auto state = durable_.state;
  if (state == TargetState::parked || state == TargetState::verified) durable_.content = content;
  return on(TargetEvent::standby_verified);
}

}  // namespace cardswap::handover
