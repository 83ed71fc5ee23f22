#include "agent/handover/source_side.h"

namespace cardswap::handover {

using Verb = Act::Verb;
using Kind = Message::Kind;

Message SourceSide::message(Kind kind) const {
  return {kind, record_.epoch, record_.content, decision(), TargetState::nothing};
}

Acts SourceSide::on(Event event) {
  Acts acts;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return acts;
  record_.state = rule->to;
  if (rule->then == Action::grant && seen_.ours) record_.content = *seen_.ours;
  if (rule->then == Action::reclaim) record_.own = record_.epoch + 1;
  acts.add(Act{Verb::journal, needs_disk(*rule), 0, {}});
  switch (rule->then) {
    case Action::none: break;
    case Action::reserve: acts.send(message(Kind::reserve)); break;
    case Action::sync: acts.add(Verb::begin_sync); break;
    case Action::freeze: acts.add(Verb::freeze); break;
    case Action::grant: acts.send(message(Kind::grant)); break;
    case Action::retire: acts.add(Verb::retire); break;
    case Action::page: acts.add(Verb::page); break;
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
  const bool committed = is_committed(record_.state);
  switch (message.state) {
    case TargetState::nothing:
      if (record_.state == State::aborting) return on(Event::cleaned_up);
      return on(committed ? Event::target_unknown : Event::failed);
    case TargetState::failed:
      if (record_.state == State::aborting) return on(Event::cleaned_up);
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
    case TargetState::stopping: break;
  }
  return acts;
}

Acts SourceSide::attached() const {
  Acts acts;
  if (record_.state == State::aborting || record_.state == State::aborted) {
    acts.add(Verb::release, record_.own);
  } else if (record_.state == State::completed) {
    acts.add(Verb::retire);
  }
  return acts;
}

Acts SourceSide::tick() const {
  Acts acts;
  switch (record_.state) {
    case State::committed:
    case State::in_doubt: acts.send(message(Kind::grant)); break;
    case State::aborting: acts.send(message(Kind::drop)); break;
    case State::planned:
    case State::completed:
    case State::aborted: break;
    default: acts.send(message(Kind::poll));
  }
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
  if (is_committed(record_.state)) return Decision::committed;
  const bool aborted = record_.state == State::aborting || record_.state == State::aborted;
  return aborted ? Decision::aborted : Decision::pending;
}

}  // namespace cardswap::handover
