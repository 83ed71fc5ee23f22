#include "agent/gang/protocol/gang_side.h"

#include <algorithm>
#include <utility>

#include "agent/handover/protocol/source_side.h"

namespace cardswap::gang {

using handover::Decision;
using handover::Message;
using handover::TargetState;
using Type = GangEffect::Type;
using Kind = Message::Kind;
using OrderKind = Order::Kind;

namespace {

GangEffect ordered(OrderKind kind, std::optional<std::uint32_t> rank = {}) {
  return {Type::order, true, kind, Kind::poll, rank};
}
GangEffect message_of(Kind kind, std::optional<std::uint32_t> rank = {}) {
  return {Type::tell, true, OrderKind::wait, kind, rank};
}

}  // namespace

GangSide::GangSide(GangDurable record, std::vector<HeardOfRank> heard, std::uint64_t margin,
                   std::span<const GangRule> rules)
    : margin_(margin), rules_(rules), record_(std::move(record)), heard_(std::move(heard)) {
  heard_.resize(record_.ranks.size());
}

GangEffects GangSide::on(GangEvent event) {
  GangEffects effects;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return effects;
  const auto before = std::exchange(record_.state, rule->to);
  switch (rule->then) {
    case GangAction::propose: propose(); break;
    case GangAction::grant:
      for (std::size_t rank = 0; rank < heard_.size(); ++rank) {
        record_.ranks[rank].content = heard_[rank].content;
      }
      break;
    case GangAction::revoke: record_.own_epoch = record_.epoch + 1; break;
    case GangAction::reclaim:
      record_.notice_pending = event == GangEvent::forced_to_source;
      record_.own_epoch = record_.epoch + (record_.notice_pending ? handover::kForcedLead : 1);
      break;
    default: break;
  }
  if (rule->to != before) {
    effects.add({Type::journal, needs_disk(*rule), OrderKind::wait, Kind::poll, {}});
  }
  switch (rule->then) {
    case GangAction::none: break;
    case GangAction::prepare:
      effects.add(message_of(Kind::reserve));
      effects.add(ordered(OrderKind::join));
      break;
    case GangAction::propose: effects.add(ordered(OrderKind::propose)); break;
    case GangAction::freeze: effects.add(ordered(OrderKind::freeze)); break;
    case GangAction::grant: effects.add(message_of(Kind::grant)); break;
    case GangAction::go:
      effects.add(ordered(OrderKind::go));
      effects.add(message_of(Kind::grant));
      break;
    case GangAction::finish:
      effects.add(ordered(OrderKind::finish));
      effects.add(ordered(OrderKind::retire));
      break;
    case GangAction::revoke: effects.add(message_of(Kind::drop)); break;
    case GangAction::release:
    case GangAction::reclaim:
      effects.add(ordered(OrderKind::release));
      effects.add(message_of(Kind::drop));
      break;
    case GangAction::alert_operator:
      effects.add({Type::alert_operator, true, OrderKind::wait, Kind::poll, {}});
      break;
  }
  return effects;
}

void GangSide::propose() {
  std::uint64_t furthest = 0;
  for (const auto& heard : heard_) furthest = std::max(furthest, heard.step);
  record_.step = furthest + margin_;
}

/// Whether a failure can still give up the gang.
bool GangSide::is_open() const {
  return record_.state > GangState::planned && record_.state < GangState::committed;
}

bool GangSide::all_of(Part part, auto what) const {
  for (std::size_t rank = 0; rank < heard_.size(); ++rank) {
    if (record_.ranks[rank].part == part && !what(heard_[rank])) return false;
  }
  return true;
}

bool GangSide::all_newcomers(auto what) const {
  return all_of(Part::leaves, [&](const HeardOfRank& heard) { return what(heard.newcomer); });
}

bool GangSide::is_granted_by_the_go(std::uint32_t rank) const {
  const auto leaves = [](const GangRank& one) { return one.part == Part::leaves; };
  return rank > 0 && rank + 1 == record_.ranks.size() && std::ranges::all_of(record_.ranks, leaves);
}

bool GangSide::is_ready(std::uint32_t rank) const {
  const auto& heard = heard_[rank];
  if (heard.state != RankState::ready || heard.step != record_.step) return false;
  return record_.ranks[rank].part == Part::stays ||
         (heard.newcomer == TargetState::verified && heard.content.step == record_.step);
}

GangEffects GangSide::advance_agreement() {
  bool armed = true;
  for (const auto& heard : heard_) {
    if (heard.state == RankState::built && heard.step > record_.step) {
      return on(GangEvent::rank_late);
    }
    armed = armed && is_armed(heard.state) && heard.step == record_.step;
  }
  return armed ? on(GangEvent::all_armed) : GangEffects{};
}

GangEffects GangSide::advance_commit() {
  bool ready = true;
  for (std::uint32_t rank = 0; rank < heard_.size(); ++rank) {
    const auto& heard = heard_[rank];
    if (!is_ready(rank)) {
      ready = false;
    } else if (record_.ranks[rank].part == Part::leaves &&
               !(heard.content == heard.newcomer_content)) {
      return on(GangEvent::differs);
    }
  }
  return ready ? on(GangEvent::all_ready) : GangEffects{};
}

bool GangSide::is_clean() const {
  const auto clear = [](const HeardOfRank& heard) { return heard.is_clear; };
  const auto empty = [](const HeardOfRank& heard) { return heard.newcomer_is_clear; };
  return all_of(Part::stays, clear) && all_of(Part::leaves, clear) && all_of(Part::leaves, empty);
}

GangEffects GangSide::advance_committed() {
  const auto lives = [](const HeardOfRank& heard) { return heard.state != RankState::ended; };
  if (!all_of(Part::stays, lives)) return on(GangEvent::rank_lost);
  if (record_.state != GangState::resumed) {
    bool granted = true;
    for (std::uint32_t rank = 0; rank < heard_.size(); ++rank) {
      const bool waits = record_.ranks[rank].part == Part::stays || is_granted_by_the_go(rank);
      granted = granted && (waits || handover::is_granted(heard_[rank].newcomer));
    }
    return granted ? on(GangEvent::all_granted) : GangEffects{};
  }
  const bool arrived =
      all_newcomers([](TargetState newcomer) { return newcomer == TargetState::completed; });
  const auto stepped = [](const HeardOfRank& heard) {
    return heard.state == RankState::confirmed || heard.state == RankState::closed;
  };
  return arrived && all_of(Part::stays, stepped) ? on(GangEvent::all_stepped) : GangEffects{};
}

/// Handles the event that all reports together amount to, if there is one.
GangEffects GangSide::advance() {
  switch (record_.state) {
    case GangState::preparing: {
      const auto built = [](const HeardOfRank& heard) { return heard.state == RankState::built; };
      const bool parked =
          all_newcomers([](TargetState newcomer) { return newcomer == TargetState::parked; });
      const bool all = parked && all_of(Part::stays, built) && all_of(Part::leaves, built);
      return all ? on(GangEvent::all_built) : GangEffects{};
    }
    case GangState::agreeing: return advance_agreement();
    case GangState::freezing: return advance_commit();
    case GangState::committed:
    case GangState::in_doubt:
    case GangState::resumed: return advance_committed();
    case GangState::reclaiming: {
      const bool gone =
          all_newcomers([](TargetState newcomer) { return newcomer == TargetState::failed; });
      return gone ? on(GangEvent::all_gone) : GangEffects{};
    }
    case GangState::aborting: return is_clean() ? on(GangEvent::cleaned_up) : GangEffects{};
    case GangState::planned:
    case GangState::completed:
    case GangState::aborted:
    case GangState::broken: break;
  }
  return {};
}

void GangSide::hear(HeardOfRank& heard, const RankStatus& status) const {
  // A step only grows, and so does the state at one step; an end has no step.
  const bool further = status.step > heard.step ||
                       (status.step == heard.step && status.state > heard.state) ||
                       status.state >= RankState::rolled_back;
  if (!further || heard.state >= RankState::rolled_back) return;
  heard.state = status.state;
  heard.step = std::max(heard.step, status.step);
  if (status.state == RankState::ready) heard.content = status.content;
}

GangEffects GangSide::on(std::uint32_t rank, const RankStatus& status) {
  GangEffects effects;
  if (status.epoch != record_.epoch || rank >= heard_.size()) return effects;
  hear(heard_[rank], status);
  if (is_given_up(record_.state) && is_clear(status.state)) heard_[rank].is_clear = true;
  const bool forgot =
      status.state == RankState::training &&
      (record_.state == GangState::agreeing || record_.state == GangState::freezing);
  const bool back =
      status.state == RankState::rolled_back || status.state == RankState::ended || forgot;
  effects.append(is_open() && back ? on(GangEvent::failed) : advance());
  return effects;
}

/// Handles a message of a newcomer's agent after the gang was given up.
GangEffects GangSide::after_the_end(std::uint32_t rank, const Message& message) {
  GangEffects effects;
  auto& heard = heard_[rank];
  if (handover::is_granted(message.state)) {
    if (record_.own_epoch > record_.epoch) effects.add(message_of(Kind::drop, rank));
    return effects;
  }
  if (message.state != TargetState::nothing && message.state != TargetState::failed) {
    return effects;
  }
  heard.newcomer_is_clear = true;
  if (message.state == TargetState::failed) heard.newcomer = TargetState::failed;
  const auto gone = [](const HeardOfRank& one) { return one.newcomer == TargetState::failed; };
  // An agent that knows nothing cannot say that nothing steps there.
  if (record_.notice_pending && all_of(Part::leaves, gone)) {
    record_.notice_pending = false;
    effects.add({Type::journal, false, OrderKind::wait, Kind::poll, {}});
  }
  effects.append(advance());
  return effects;
}

/// Handles the report that a newcomer has failed, is not known, or is not a newcomer: only a
/// keeper stores.
GangEffects GangSide::not_there(std::uint32_t rank, const Message& message) {
  const bool failed = message.state == TargetState::failed;
  // Its agent has not been asked yet, or the reservation was lost.
  const bool early = record_.state == GangState::preparing &&
                     message.state == TargetState::nothing &&
                     heard_[rank].newcomer == TargetState::nothing;
  if (early) return {};
  if (is_open()) return on(GangEvent::failed);
  // Only the place that held the committed bytes can prove that nobody steps them.
  if (!failed || message.content != record_.ranks[rank].content) {
    return on(GangEvent::newcomer_unknown);
  }
  heard_[rank].newcomer = message.state;
  return record_.state == GangState::reclaiming ? advance() : on(GangEvent::newcomer_is_gone);
}

GangEffects GangSide::on(std::uint32_t rank, const Message& message) {
  GangEffects effects;
  if (message.epoch != record_.epoch || rank >= heard_.size()) return effects;
  if (message.kind == Kind::ask) {
    effects.add(message_of(Kind::decision, rank));
    return effects;
  }
  if (message.kind != Kind::status) return effects;
  if (is_given_up(record_.state)) return after_the_end(rank, message);
  const bool is_there = message.state != TargetState::nothing &&
                        message.state != TargetState::failed &&
                        message.state != TargetState::stored;
  if (!is_there) return not_there(rank, message);
  auto& heard = heard_[rank];
  if (message.state >= heard.newcomer) {
    heard.newcomer = message.state;
    if (message.state >= TargetState::verified) heard.newcomer_content = message.content;
  }
  return advance();
}

OrderKind GangSide::due_order(std::uint32_t rank) const {
  const bool stays = record_.ranks[rank].part == Part::stays;
  switch (record_.state) {
    case GangState::preparing: return OrderKind::join;
    case GangState::agreeing: return OrderKind::propose;
    case GangState::freezing: return OrderKind::freeze;
    case GangState::resumed:
    case GangState::broken: return stays ? OrderKind::go : OrderKind::wait;
    case GangState::completed:
      if (!stays) return OrderKind::retire;
      // A rank that has not heard that it may go is told so first.
      return has_switched(heard_[rank].state) ? OrderKind::finish : OrderKind::go;
    case GangState::aborting:
    case GangState::aborted: return OrderKind::release;
    case GangState::planned:
    case GangState::committed:
    case GangState::in_doubt:
    case GangState::reclaiming: break;
  }
  return OrderKind::wait;
}

GangEffects GangSide::tick(std::uint32_t rank) const {
  GangEffects effects;
  const auto state = heard_[rank].state;
  const bool done = state >= RankState::closed && record_.state == GangState::completed;
  if (record_.state == GangState::planned || record_.state == GangState::aborted || done) {
    return effects;
  }
  effects.add(ordered(due_order(rank), rank));
  return effects;
}

GangEffects GangSide::tick_newcomer(std::uint32_t rank) const {
  GangEffects effects;
  switch (record_.state) {
    case GangState::planned:
    case GangState::completed:
    case GangState::broken: break;
    case GangState::committed:
    case GangState::in_doubt:
    case GangState::resumed: {
      const bool is_due = !is_granted_by_the_go(rank) || has_gone(record_.state);
      effects.add(message_of(is_due ? Kind::grant : Kind::poll, rank));
      break;
    }
    case GangState::reclaiming:
    case GangState::aborting: effects.add(message_of(Kind::drop, rank)); break;
    case GangState::aborted:
      if (record_.notice_pending) effects.add(message_of(Kind::drop, rank));
      break;
    case GangState::preparing: {
      const bool asked = heard_[rank].newcomer != TargetState::nothing;
      effects.add(message_of(asked ? Kind::poll : Kind::reserve, rank));
      break;
    }
    case GangState::agreeing:
    case GangState::freezing: effects.add(message_of(Kind::poll, rank)); break;
  }
  return effects;
}

GangEffects GangSide::after_restart() {
  // What was not committed is given up: nobody remembers how far it had come.
  return record_.state < GangState::committed ? on(GangEvent::failed) : GangEffects{};
}

Order GangSide::order(OrderKind kind) const {
  return {kind, record_.epoch, record_.own_epoch, record_.step};
}

Message GangSide::message(std::uint32_t rank, Kind kind) const {
  // A job that was taken back drops its newcomers under the epoch that it goes on under.
  const auto epoch =
      kind == Kind::drop ? std::max(record_.epoch, record_.own_epoch) : record_.epoch;
  const bool waits = is_granted_by_the_go(rank) && decision() == Decision::committed;
  const auto decided = waits && !has_gone(record_.state) ? Decision::pending : decision();
  return {kind, epoch, record_.ranks[rank].content, decided, TargetState::nothing};
}

Decision GangSide::decision() const {
  if (is_committed(record_.state)) return Decision::committed;
  const bool given_up = is_given_up(record_.state) || record_.state == GangState::reclaiming;
  return given_up ? Decision::aborted : Decision::pending;
}

bool GangSide::is_for(const GangEffect& effect, std::uint32_t rank) const {
  const auto part = record_.ranks[rank].part;
  if (effect.rank && *effect.rank != rank) return false;
  if (effect.type == Type::tell && effect.message == Kind::grant && !effect.rank) {
    return part == Part::leaves && is_granted_by_the_go(rank) == has_gone(record_.state);
  }
  if (effect.type == Type::tell || effect.order == OrderKind::retire) return part == Part::leaves;
  if (effect.order == OrderKind::go || effect.order == OrderKind::finish) {
    return part == Part::stays;
  }
  return true;
}

}  // namespace cardswap::gang
