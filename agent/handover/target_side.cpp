#include "agent/handover/target_side.h"

#include <utility>

namespace cardswap::handover {

using Verb = Act::Verb;
using Kind = Message::Kind;

Message TargetSide::status() const {
  return {Kind::status, record_.epoch, record_.content, Decision::pending, record_.state};
}

Acts TargetSide::on(TargetEvent event) {
  Acts acts;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return acts;
  const auto before = std::exchange(record_.state, rule->to);
  if (event == TargetEvent::forced_to_target) record_.open = true;
  if (rule->to != before || event == TargetEvent::standby_verified) {
    acts.add(Act{Verb::journal, needs_disk(*rule), 0, {}});
  }
  switch (rule->then) {
    case TargetAction::none: break;
    case TargetAction::fence: acts.add(Verb::fence); break;
    case TargetAction::start: acts.add(Verb::start_standby, record_.epoch); break;
    case TargetAction::grant: acts.add(Verb::grant, record_.epoch); break;
    case TargetAction::kill: acts.add(Verb::kill_standby); break;
    case TargetAction::go_on: acts.add(Verb::go_on); break;
    case TargetAction::ask:
      acts.send({Kind::ask, record_.epoch, record_.content, Decision::pending, record_.state});
      break;
  }
  return acts;
}

Acts TargetSide::granted(const Message& message) {
  if (message.epoch != record_.epoch) return on(TargetEvent::grant_of_another_epoch);
  if (is_granted(record_.state)) return heard_by_its_source();
  return on(message.content == record_.content ? TargetEvent::grant_fits
                                               : TargetEvent::grant_of_another_state);
}

/// Under this migration's epoch it is given up; under a higher one the job goes on at its source.
Acts TargetSide::dropped(Epoch epoch) {
  if (epoch < record_.epoch) return {};
  if (epoch == record_.epoch || !is_granted(record_.state)) return on(TargetEvent::drop);
  auto acts = on(TargetEvent::taken_back);
  for (auto& act : acts) {
    if (act.verb == Verb::fence) act.epoch = epoch;
  }
  return acts;
}

Acts TargetSide::heard_by_its_source() {
  Acts acts;
  if (std::exchange(record_.open, false)) acts.add(Act{Verb::journal, false, 0, {}});
  return acts;
}

Acts TargetSide::tick() const {
  Acts acts;
  if (record_.open && is_granted(record_.state)) acts.send(status());
  return acts;
}

Acts TargetSide::on(const Message& message) {
  Acts acts;
  const bool known = record_.state != TargetState::nothing;
  switch (message.kind) {
    case Kind::reserve:
      if (!known) record_.epoch = message.epoch;
      acts = on(TargetEvent::reserve);
      break;
    case Kind::grant: acts = granted(message); break;
    case Kind::drop: acts = dropped(message.epoch); break;
    case Kind::decision:
      if (message.epoch != record_.epoch) return acts;
      if (message.decision == Decision::committed) return granted(message);
      if (message.decision == Decision::aborted) return on(TargetEvent::drop);
      return acts;
    case Kind::poll: break;
    case Kind::status:
    case Kind::ask: return acts;
  }
  auto answer = status();
  if (record_.state == TargetState::nothing) answer.epoch = message.epoch;
  acts.send(answer);
  return acts;
}

Acts TargetSide::verified(const Content& content) {
  const auto state = record_.state;
  if (state == TargetState::parked || state == TargetState::verified) record_.content = content;
  return on(TargetEvent::standby_verified);
}

}  // namespace cardswap::handover
