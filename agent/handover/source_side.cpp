#include "agent/handover/source_side.h"

#include <algorithm>
#include <utility>

namespace cardswap::handover {

using Verb = Act::Verb;
using Kind = Message::Kind;

Message SourceSide::message(Kind kind) const {
  // A job that was taken back drops its target under the epoch that it goes on under.
  const auto epoch = kind == Kind::drop ? std::max(record_.epoch, record_.own) : record_.epoch;
  return {kind, epoch, record_.content, decision(), TargetState::nothing};
}

Acts SourceSide::on(Event event) {
  Acts acts;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return acts;
  const auto before = std::exchange(record_.state, rule->to);
  if (rule->then == Action::grant && seen_.ours) record_.content = *seen_.ours;
  if (rule->then == Action::reclaim) {
    record_.open = event == Event::forced_to_source;
    record_.own = record_.epoch + (record_.open ? kForcedLead : 1);
  }
  if (rule->to != before) acts.add(Act{Verb::journal, needs_disk(*rule), 0, {}});
  switch (rule->then) {
    case Action::none: break;
    case Action::reserve: acts.send(message(Kind::reserve)); break;
    case Action::sync: acts.add(Verb::begin_sync); break;
    case Action::freeze: acts.add(Verb::freeze); break;
    case Action::grant: acts.send(message(Kind::grant)); break;
    case Action::retire: acts.add(Verb::retire); break;
    case Action::page: acts.add(Verb::page); break;
    case Action::end: acts.add(Verb::end_trainer); break;
    case Action::fence: acts.add(Verb::fence, record_.epoch); break;
    case Action::release:
    case Action::reclaim:
      acts.add(Verb::release, record_.own);
      acts.send(message(Kind::drop));
      break;
  }
  return acts;
}

Acts SourceSide::compare() {
  if (!seen_.ours || !seen_.theirs) return {};
  return on(*seen_.ours == *seen_.theirs ? Event::digests_equal : Event::digests_differ);
}

Acts SourceSide::verified(const Content& content) {
  seen_.ours = content;
  return compare();
}

Acts SourceSide::on(const Message& message) {
  Acts acts;
  if (message.epoch != record_.epoch) return acts;
  if (message.kind == Kind::ask) {
    acts.send(this->message(Kind::decision));
    return acts;
  }
  if (message.kind != Kind::status) return acts;
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
      acts = on(Event::target_resumed);
      acts.append(on(Event::target_stepped));
      return acts;
    case TargetState::reserved:
    case TargetState::starting:
    case TargetState::stopping:
    case TargetState::superseded: break;
  }
  return acts;
}

/// The job goes on here, and its target speaks (again).
Acts SourceSide::after_the_end(const Message& message) {
  Acts acts;
  if (is_granted(message.state)) {
    // Two copies: the lower one stands.
    if (record_.own < message.epoch) return on(Event::target_outranks);
    acts.send(this->message(Kind::drop));
  } else if (message.state == TargetState::nothing || message.state == TargetState::failed) {
    // An agent that knows nothing cannot say that nothing steps there.
    if (message.state == TargetState::failed && std::exchange(record_.open, false)) {
      acts.add(Act{Verb::journal, false, 0, {}});
    }
    acts.append(on(Event::cleaned_up));
  }
  return acts;
}

Acts SourceSide::attached() const {
  Acts acts;
  if (is_given_up(record_.state)) {
    acts.add(Verb::release, record_.own);
  } else if (record_.state == State::completed) {
    acts.add(Verb::retire);
  } else if (record_.state == State::superseded) {
    acts.add(Verb::fence, record_.epoch);
  }
  return acts;
}

Acts SourceSide::tick() const {
  Acts acts;
  switch (record_.state) {
    case State::committed:
    case State::in_doubt: acts.send(message(Kind::grant)); break;
    case State::aborting: acts.send(message(Kind::drop)); break;
    case State::aborted:
      if (record_.open) acts.send(message(Kind::drop));
      break;
    case State::planned:
    case State::completed:
    case State::superseded: break;
    default: acts.send(message(Kind::poll));
  }
  return acts;
}

Acts SourceSide::poll() const {
  Acts acts;
  acts.send(message(Kind::poll));
  return acts;
}

Acts SourceSide::recover() {
  // What was not committed is given up: nobody remembers how far it had come.
  if (!is_over(record_.state) && !is_committed(record_.state) && record_.state != State::aborting) {
    return on(Event::failed);
  }
  auto acts = attached();
  acts.append(tick());
  return acts;
}

Decision SourceSide::decision() const {
  if (is_committed(record_.state) || record_.state == State::superseded) return Decision::committed;
  return is_given_up(record_.state) ? Decision::aborted : Decision::pending;
}

}  // namespace cardswap::handover
