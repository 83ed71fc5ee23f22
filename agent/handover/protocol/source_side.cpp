#include "agent/handover/protocol/source_side.h"

#include <algorithm>
#include <utility>

namespace cardswap::handover {

using Type = Effect::Type;
using Kind = Message::Kind;

Message SourceSide::message(Kind kind) const {
  // A job that was taken back drops its target under the epoch that it goes on under.
  const auto epoch =
      kind == Kind::drop ? std::max(record_.epoch, record_.own_epoch) : record_.epoch;
  return {kind, epoch, record_.content, decision(), TargetState::nothing};
}

Effects SourceSide::on(Event event) {
  Effects effects;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return effects;
  const auto before = std::exchange(record_.state, rule->to);
  const bool decides = rule->then == Action::grant || rule->then == Action::release_captured;
  if (decides && seen_.ours) record_.content = *seen_.ours;
  if (rule->then == Action::reclaim) {
    record_.notice_pending = event == Event::forced_to_source;
    record_.own_epoch = record_.epoch + (record_.notice_pending ? kForcedLead : 1);
  }
  if (rule->to != before) effects.add(Effect{Type::journal, needs_disk(*rule), 0, {}});
  switch (rule->then) {
    case Action::none: break;
    case Action::reserve: effects.send(message(Kind::reserve)); break;
    case Action::begin_sync: effects.add(Type::begin_sync); break;
    case Action::freeze: effects.add(Type::freeze); break;
    case Action::grant: effects.send(message(Kind::grant)); break;
    case Action::retire: effects.add(Type::retire); break;
    case Action::alert_operator: effects.add(Type::alert_operator); break;
    case Action::end_trainer: effects.add(Type::end_trainer); break;
    case Action::halt_trainer: effects.add(Type::halt_trainer, record_.epoch); break;
    case Action::release_captured: effects.add(Type::release, record_.own_epoch); break;
    case Action::release:
    case Action::reclaim:
      effects.add(Type::release, record_.own_epoch);
      effects.send(message(Kind::drop));
      break;
  }
  return effects;
}

Effects SourceSide::compare() {
  if (!seen_.ours || !seen_.theirs) return {};
  if (*seen_.ours != *seen_.theirs) return on(Event::digests_differ);
  return on(record_.to_store ? Event::state_captured : Event::digests_equal);
}

Effects SourceSide::verified(const Content& content) {
  seen_.ours = content;
  return compare();
}

Effects SourceSide::on(const Message& message) {
  Effects effects;
  if (message.epoch != record_.epoch) return effects;
  if (message.kind == Kind::ask) {
    effects.send(this->message(Kind::decision));
    return effects;
  }
  if (message.kind != Kind::status) return effects;
  if (is_given_up(record_.state)) return after_the_end(message);
  const bool committed = is_committed(record_.state);
  switch (message.state) {
    case TargetState::nothing: return on(committed ? Event::target_unknown : Event::failed);
    case TargetState::failed:
      if (!committed) return on(Event::failed);
      // Only the place that held the committed bytes can prove that nobody steps them.
      return on(message.content == record_.content ? Event::target_is_gone : Event::target_unknown);
    case TargetState::parked: return on(Event::standby_parked);
    case TargetState::verified: seen_.theirs = message.content; return compare();
    case TargetState::granted: return on(Event::target_granted);
    case TargetState::resumed: return on(Event::target_resumed);
    case TargetState::completed:
      effects = on(Event::target_resumed);
      effects.append(on(Event::target_stepped));
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
  if (!record_.to_store) return {};
  seen_.theirs = content;
  auto effects = compare();
  if (record_.state != State::captured) return effects;
  effects.append(on(content == record_.content ? Event::target_stored : Event::failed));
  return effects;
}

/// The job goes on here, and its target speaks (again).
Effects SourceSide::after_the_end(const Message& message) {
  Effects effects;
  if (is_granted(message.state)) {
    // Two copies: the lower one is halted.
    if (record_.own_epoch < message.epoch) return on(Event::target_outranks);
    effects.send(this->message(Kind::drop));
  } else if (message.state == TargetState::nothing || is_over(message.state)) {
    // An agent that knows nothing cannot say that nothing steps there.
    if (message.state == TargetState::failed && std::exchange(record_.notice_pending, false)) {
      effects.add(Effect{Type::journal, false, 0, {}});
    }
    effects.append(on(Event::cleaned_up));
  }
  return effects;
}

Effects SourceSide::attached() const {
  Effects effects;
  if (is_given_up(record_.state) || is_captured(record_.state)) {
    effects.add(Type::release, record_.own_epoch);
  } else if (record_.state == State::completed) {
    effects.add(Type::retire);
  } else if (record_.state == State::superseded) {
    effects.add(Type::halt_trainer, record_.epoch);
  }
  return effects;
}

Effects SourceSide::tick() const {
  Effects effects;
  switch (record_.state) {
    case State::committed:
    case State::in_doubt: effects.send(message(Kind::grant)); break;
    case State::aborting: effects.send(message(Kind::drop)); break;
    case State::aborted:
      if (record_.notice_pending) effects.send(message(Kind::drop));
      break;
    case State::planned:
    case State::completed:
    case State::stored:
    case State::superseded: break;
    default: effects.send(message(Kind::poll));
  }
  return effects;
}

Effects SourceSide::poll() const {
  Effects effects;
  effects.send(message(Kind::poll));
  return effects;
}

Effects SourceSide::recover() {
  // What was not committed is given up: nobody remembers how far it had come.
  const bool is_decided = is_committed(record_.state) || record_.state == State::aborting ||
                          record_.state == State::captured;
  if (!is_over(record_.state) && !is_decided) return on(Event::failed);
  auto effects = attached();
  effects.append(tick());
  return effects;
}

Decision SourceSide::decision() const {
  if (is_committed(record_.state) || record_.state == State::superseded) return Decision::committed;
  return is_given_up(record_.state) ? Decision::aborted : Decision::pending;
}

}  // namespace cardswap::handover
