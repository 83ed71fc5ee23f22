#include "agent/gang/protocol/gang_side.h"

#include <algorithm>
#include <utility>

#include "agent/handover/protocol/source_side.h"

namespace cardswap::gang {

using handover::Decision;
using handover::Message;
using handover::TargetState;
using Type = GangEffect::Type;
using Word = Message::Kind;
using OrderKind = Order::Kind;

namespace {

GangEffect ordered(OrderKind kind, std::optional<std::uint32_t> rank = {}) {
  return {Type::order, true, kind, Word::poll, rank};
}
GangEffect told(Word word, std::optional<std::uint32_t> rank = {}) {
  return {Type::tell, true, OrderKind::wait, word, rank};
}

}  // namespace

GangSide::GangSide(GangRecord record, std::vector<HeardOfRank> heard, std::uint64_t margin,
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
    effects.add({Type::journal, needs_disk(*rule), OrderKind::wait, Word::poll, {}});
  }
  switch (rule->then) {
    case GangAction::none: break;
    case GangAction::prepare:
      effects.add(told(Word::reserve));
      effects.add(ordered(OrderKind::join));
      break;
    case GangAction::propose: effects.add(ordered(OrderKind::propose)); break;
    case GangAction::freeze: effects.add(ordered(OrderKind::freeze)); break;
    case GangAction::grant: effects.add(told(Word::grant)); break;
    case GangAction::go: effects.add(ordered(OrderKind::go)); break;
    case GangAction::finish:
      effects.add(ordered(OrderKind::finish));
      effects.add(ordered(OrderKind::retire));
      break;
    case GangAction::revoke: effects.add(told(Word::drop)); break;
    case GangAction::release:
    case GangAction::reclaim:
      effects.add(ordered(OrderKind::release));
      effects.add(told(Word::drop));
      break;
    case GangAction::alert_operator:
      effects.add({Type::alert_operator, true, OrderKind::wait, Word::poll, {}});
      break;
  }
  return effects;
}

/// As many steps behind the furthest rank as it takes to tell all of them.
void GangSide::propose() {
  std::uint64_t furthest = 0;
  for (const auto& heard : heard_) furthest = std::max(furthest, heard.step);
  record_.step = furthest + margin_;
}

bool GangSide::all_of(Part part, auto what) const {
  for (std::size_t rank = 0; rank < heard_.size(); ++rank) {
    if (record_.ranks[rank].part == part && !what(heard_[rank])) return false;
  }
  return true;
}

bool GangSide::is_ready(std::uint32_t rank) const {
  const auto& heard = heard_[rank];
  if (heard.state != RankState::ready || heard.step != record_.step) return false;
  return record_.ranks[rank].part == Part::stays ||
         (heard.newcomer == TargetState::verified && heard.content.step == record_.step);
}

GangEffects GangSide::look_for_the_step() {
  bool armed = true;
  for (const auto& heard : heard_) {
    if (heard.state == RankState::built && heard.step > record_.step) {
      return on(GangEvent::rank_late);
    }
    armed = armed && is_armed(heard.state) && heard.step == record_.step;
  }
  return armed ? on(GangEvent::all_armed) : GangEffects{};
}

GangEffects GangSide::look_for_the_commit() {
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

/// What all that was heard comes to.
GangEffects GangSide::look() {
  const auto newcomers = [&](auto what) {
    return all_of(Part::leaves, [&](const HeardOfRank& heard) { return what(heard.newcomer); });
  };
  switch (record_.state) {
    case GangState::preparing: {
      const auto built = [](const HeardOfRank& heard) { return heard.state == RankState::built; };
      const bool parked =
          newcomers([](TargetState newcomer) { return newcomer == TargetState::parked; });
      if (parked && all_of(Part::stays, built) && all_of(Part::leaves, built)) {
        return on(GangEvent::all_built);
      }
      break;
    }
    case GangState::agreeing: return look_for_the_step();
    case GangState::freezing: return look_for_the_commit();
    case GangState::committed:
    case GangState::in_doubt:
    case GangState::resumed: {
      const auto lost = [](const HeardOfRank& heard) { return heard.state == RankState::ended; };
      if (!all_of(Part::stays, [&](const HeardOfRank& heard) { return !lost(heard); })) {
        return on(GangEvent::rank_lost);
      }
      const auto stepped = [](const HeardOfRank& heard) {
        return heard.state == RankState::confirmed || heard.state == RankState::closed;
      };
      if (record_.state != GangState::resumed) {
        const bool granted =
            newcomers([](TargetState newcomer) { return handover::is_granted(newcomer); });
        if (granted) return on(GangEvent::all_granted);
      } else if (newcomers(
                     [](TargetState newcomer) { return newcomer == TargetState::completed; }) &&
                 all_of(Part::stays, stepped)) {
        return on(GangEvent::all_stepped);
      }
      break;
    }
    case GangState::reclaiming:
      if (newcomers([](TargetState newcomer) { return newcomer == TargetState::failed; })) {
        return on(GangEvent::all_gone);
      }
      break;
    case GangState::aborting:
      if (is_clean()) return on(GangEvent::cleaned_up);
      break;
    case GangState::planned:
    case GangState::completed:
    case GangState::aborted:
    case GangState::broken: break;
  }
  return {};
}

void GangSide::hear(HeardOfRank& heard, const RankStatus& status) const {
  // A step only grows, and at one step so does a state; an end has no step.
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
  if (status.asks) effects.add(ordered(due_order(rank), rank));
  const bool forgot = status.state == RankState::training &&
                      (record_.state == GangState::agreeing || record_.state == GangState::freezing);
  const bool back =
      status.state == RankState::rolled_back || status.state == RankState::ended || forgot;
  const bool open = record_.state > GangState::planned && record_.state < GangState::committed;
  effects.append(open && back ? on(GangEvent::failed) : look());
  return effects;
}

/// A newcomer's agent speaks, and the gang was given up.
GangEffects GangSide::after_the_end(std::uint32_t rank, const Message& message) {
  GangEffects effects;
  auto& heard = heard_[rank];
  if (handover::is_granted(message.state)) {
    if (record_.own_epoch > record_.epoch) effects.add(told(Word::drop, rank));
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
    effects.add({Type::journal, false, OrderKind::wait, Word::poll, {}});
  }
  effects.append(look());
  return effects;
}

GangEffects GangSide::on(std::uint32_t rank, const Message& message) {
  GangEffects effects;
  if (message.epoch != record_.epoch || rank >= heard_.size()) return effects;
  if (message.kind == Word::ask) {
    effects.add(told(Word::decision, rank));
    return effects;
  }
  if (message.kind != Word::status) return effects;
  if (is_given_up(record_.state)) return after_the_end(rank, message);
  const bool open = record_.state > GangState::planned && record_.state < GangState::committed;
  const bool failed = message.state == TargetState::failed;
  if (failed || message.state == TargetState::nothing) {
    // It has not been asked yet, or not heard of it.
    const bool early = record_.state == GangState::preparing && !failed &&
                       heard_[rank].newcomer == TargetState::nothing;
    if (early) return {};
    if (open) return on(GangEvent::failed);
    // Only the place that held the committed bytes can prove that nobody steps them.
    if (!failed || !(message.content == record_.ranks[rank].content)) {
      return on(GangEvent::newcomer_unknown);
    }
    heard_[rank].newcomer = message.state;
    return record_.state == GangState::reclaiming ? look() : on(GangEvent::newcomer_is_gone);
  }
  auto& heard = heard_[rank];
  if (message.state >= heard.newcomer) {
    heard.newcomer = message.state;
    if (message.state >= TargetState::verified) heard.newcomer_content = message.content;
  }
  return look();
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
      // One that has not heard that it may go is told so first.
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
    case GangState::resumed: effects.add(told(Word::grant, rank)); break;
    case GangState::reclaiming:
    case GangState::aborting: effects.add(told(Word::drop, rank)); break;
    case GangState::aborted:
      if (record_.notice_pending) effects.add(told(Word::drop, rank));
      break;
    case GangState::preparing: {
      const bool asked = heard_[rank].newcomer != TargetState::nothing;
      effects.add(told(asked ? Word::poll : Word::reserve, rank));
      break;
    }
    case GangState::agreeing:
    case GangState::freezing: effects.add(told(Word::poll, rank)); break;
  }
  return effects;
}

GangEffects GangSide::recover() {
  // What was not committed is given up: nobody remembers how far it had come.
  return record_.state < GangState::committed ? on(GangEvent::failed) : GangEffects{};
}

Order GangSide::order(OrderKind kind) const {
  return {kind, record_.epoch, record_.own_epoch, record_.step};
}

Message GangSide::word(std::uint32_t rank, Word kind) const {
  // A job that was taken back drops its newcomers under the epoch that it goes on under.
  const auto epoch =
      kind == Word::drop ? std::max(record_.epoch, record_.own_epoch) : record_.epoch;
  return {kind, epoch, record_.ranks[rank].content, decision(), TargetState::nothing};
}

Decision GangSide::decision() const {
  if (is_committed(record_.state)) return Decision::committed;
  const bool given_up = is_given_up(record_.state) || record_.state == GangState::reclaiming;
  return given_up ? Decision::aborted : Decision::pending;
}

bool GangSide::concerns(const GangEffect& effect, std::uint32_t rank) const {
  const auto part = record_.ranks[rank].part;
  if (effect.rank && *effect.rank != rank) return false;
  if (effect.type == Type::tell || effect.order == OrderKind::retire) return part == Part::leaves;
  if (effect.order == OrderKind::go || effect.order == OrderKind::finish) {
    return part == Part::stays;
  }
  return true;
}

}  // namespace cardswap::gang
