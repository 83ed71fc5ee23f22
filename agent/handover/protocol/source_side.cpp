#include "agent/handover/protocol/source_side.h"

#include <algorithm>
#include <utility>

namespace cardswap::handover {

using Type = Effect::Type;
using Kind = Message::Kind;

Message SourceSide::message(Kind kind) const {
  // A job that was taken back drops its target under the epoch that it goes on under.
  const auto epoch =
      kind == Kind::drop ? std::max(durable_.epoch, durable_.own_epoch) : durable_.epoch;
  return {kind, epoch, durable_.content, decision(), TargetState::nothing};
}

Effects SourceSide::on(SourceEvent event) {
  Effects effects;
  const auto rule = rule_for(rules_, durable_.state, event);
  if (!rule) return effects;
  const auto before = std::exchange(durable_.state, rule->to);
  const bool decides =
      rule->then == SourceAction::grant || rule->then == SourceAction::release_captured;
  if (decides && seen_.ours) durable_.content = *seen_.ours;
  if (rule->then == SourceAction::reclaim) {
    durable_.notice_pending = event == SourceEvent::forced_to_source;
    durable_.own_epoch = durable_.epoch + (durable_.notice_pending ? kForcedLead : 1);
  }
  if (rule->to != before) effects.add(Effect{Type::journal, needs_disk(*rule), 0, {}});
  switch (rule->then) {
    case SourceAction::none: break;
    case SourceAction::reserve: effects.send(message(Kind::reserve)); break;
    case SourceAction::begin_sync: effects.add(Type::begin_sync); break;
    case SourceAction::freeze: effects.add(Type::freeze); break;
    case SourceAction::grant: effects.send(message(Kind::grant)); break;
    case SourceAction::retire: effects.add(Type::retire); break;
    case SourceAction::alert_operator: effects.add(Type::alert_operator); break;
    case SourceAction::end_trainer: effects.add(Type::end_trainer); break;
    case SourceAction::halt_trainer: effects.add(Type::halt_trainer, durable_.epoch); break;
    case SourceAction::release_captured: effects.add(Type::release, durable_.own_epoch); break;
    case SourceAction::release:
    case SourceAction::reclaim:
      effects.add(Type::release, durable_.own_epoch);
      effects.send(message(Kind::drop));
      break;
  }
  return effects;
}

Effects SourceSide::compare() {
  if (!seen_.ours || !seen_.theirs) return {};
  if (*seen_.ours != *seen_.theirs) return on(SourceEvent::digests_differ);
  return on(durable_.to_store ? SourceEvent::state_captured : SourceEvent::digests_equal);
}

Effects SourceSide::verified(const Content& content) {
  seen_.ours = content;
  return compare();
}

Effects SourceSide::on(const Message& message) {
  Effects effects;
  if (message.epoch != durable_.epoch) return effects;
  if (message.kind == Kind::ask) {
    effects.send(this->message(Kind::decision));
    return effects;
  }
  if (message.kind != Kind::status) return effects;
  if (is_given_up(durable_.state)) return after_the_end(message);
  const bool committed = is_committed(durable_.state);
  switch (message.state) {
    case TargetState::nothing:
      return on(committed ? SourceEvent::target_unknown : SourceEvent::failed);
    case TargetState::failed:
      if (!committed) return on(SourceEvent::failed);
      // Only the place that held the committed bytes can prove that nobody steps them.
      return on(message.content == durable_.content ? SourceEvent::target_is_gone
                                                    : SourceEvent::target_unknown);
    case TargetState::parked: return on(SourceEvent::standby_parked);
    case TargetState::verified: seen_.theirs = message.content; return compare();
    case TargetState::granted: return on(SourceEvent::target_granted);
    case TargetState::resumed: return on(SourceEvent::target_resumed);
    case TargetState::completed:
      effects = on(SourceEvent::target_resumed);
      effects.append(on(SourceEvent::target_stepped));
      return effects;
    case TargetState::stored: return stored(message.content);
    case TargetState::reserved:
    case TargetState::starting:
    case TargetState::stopping:
    case TargetState::superseded: break;
  }
  return effects;
}

/// The target reports that the snapshot is published. Its earlier report that it holds the state
/// may have been lost: `content` counts for both.
Effects SourceSide::stored(const Content& content) {
  if (!durable_.to_store) return {};
  seen_.theirs = content;
  auto effects = compare();
  if (durable_.state != SourceState::captured) return effects;
  effects.append(
      on(content == durable_.content ? SourceEvent::target_stored : SourceEvent::failed));
  return effects;
}

/// The job goes on here, and its target speaks (again).
Effects SourceSide::after_the_end(const Message& message) {
  Effects effects;
  if (is_granted(message.state)) {
    // Two copies: the lower one is halted.
    if (durable_.own_epoch < message.epoch) return on(SourceEvent::target_outranks);
    effects.send(this->message(Kind::drop));
  } else if (message.state == TargetState::nothing || is_over(message.state)) {
    // An agent that knows nothing cannot say that nothing steps there.
    if (message.state == TargetState::failed && std::exchange(durable_.notice_pending, false)) {
      effects.add(Effect{Type::journal, false, 0, {}});
    }
    effects.append(on(SourceEvent::cleaned_up));
  }
  return effects;
}

Effects SourceSide::attached() const {
  Effects effects;
  if (is_given_up(durable_.state) || is_captured(durable_.state)) {
    effects.add(Type::release, durable_.own_epoch);
  } else if (durable_.state == SourceState::completed) {
    effects.add(Type::retire);
  } else if (durable_.state == SourceState::superseded) {
    effects.add(Type::halt_trainer, durable_.epoch);
  }
  return effects;
}

Effects SourceSide::tick() const {
  Effects effects;
  switch (durable_.state) {
    case SourceState::committed:
    case SourceState::in_doubt: effects.send(message(Kind::grant)); break;
    case SourceState::aborting: effects.send(message(Kind::drop)); break;
    case SourceState::aborted:
      if (durable_.notice_pending) effects.send(message(Kind::drop));
      break;
    case SourceState::planned:
    case SourceState::completed:
    case SourceState::stored:
    case SourceState::superseded: break;
    default: effects.send(message(Kind::poll));
  }
  return effects;
}

Effects SourceSide::poll() const {
  Effects effects;
  effects.send(message(Kind::poll));
  return effects;
}

Effects SourceSide::after_restart() {
  // What was not committed is given up: nobody remembers how far it had come.
  const bool is_decided = is_committed(durable_.state) || durable_.state == SourceState::aborting ||
                          durable_.state == SourceState::captured;
  if (!is_over(durable_.state) && !is_decided) return on(SourceEvent::failed);
  auto effects = attached();
  effects.append(tick());
  return effects;
}

Decision SourceSide::decision() const {
  if (is_committed(durable_.state) || durable_.state == SourceState::superseded)
    return Decision::committed;
  return is_given_up(durable_.state) ? Decision::aborted : Decision::pending;
}

}  // namespace cardswap::handover
