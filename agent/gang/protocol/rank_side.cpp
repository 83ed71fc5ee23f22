#include "agent/gang/protocol/rank_side.h"

namespace cardswap::gang {

using Do = RankEffect::Type;
using OrderKind = Order::Kind;

RankEffects RankSide::apply(RankEvent event, std::uint64_t step) {
  RankEffects effects;
  const auto rule = rule_for(rules_, record_.state, event);
  if (!rule) return effects;
  record_.state = rule->to;
  switch (event) {
    case RankEvent::prepared:
    case RankEvent::gate_set:
    case RankEvent::gate_passed: record_.step = step; break;
    default: break;
  }
  if (is_recorded(*rule)) effects.add({Do::journal, needs_disk(*rule), 0, 0});
  const auto act = [&](Do type) { effects.add({type, true, 0, record_.step}); };
  switch (rule->then) {
    case RankAction::none: break;
    case RankAction::build: act(Do::build); break;
    case RankAction::arm: effects.add({Do::arm, true, 0, step}); break;
    case RankAction::check: act(Do::check); break;
    case RankAction::switch_over: effects.add({Do::switch_over, true, record_.epoch, 0}); break;
    case RankAction::close: act(Do::close); break;
    case RankAction::retire: act(Do::retire); break;
    case RankAction::release: effects.add({Do::release, true, record_.own_epoch, 0}); break;
    case RankAction::ask: act(Do::ask); break;
  }
  return effects;
}

RankEffects RankSide::on(RankEvent event, std::uint64_t step) {
  // A report about an earlier step comes late.
  if (event == RankEvent::reached && step != record_.step) return {};
  const auto before = record_;
  auto effects = apply(event, step);
  if (!(record_ == before)) effects.add({Do::report, true, 0, 0});
  return effects;
}

RankEffects RankSide::checked(const Content& content) {
  if (record_.state == RankState::frozen) record_.content = content;
  return on(RankEvent::checked);
}

RankEffects RankSide::act_on(const Order& order) {
  const bool stays = record_.part == Part::stays;
  const bool same_step = order.step == record_.step;
  switch (order.kind) {
    case OrderKind::wait: return {};
    case OrderKind::join: return apply(RankEvent::join, 0);
    case OrderKind::propose:
      if (is_armed(record_.state) && order.step <= record_.step) return {};
      return apply(RankEvent::propose, order.step);
    case OrderKind::freeze: return same_step ? apply(RankEvent::freeze, 0) : RankEffects{};
    case OrderKind::go: return stays ? apply(RankEvent::go, 0) : RankEffects{};
    case OrderKind::finish: return stays ? apply(RankEvent::finish, 0) : RankEffects{};
    case OrderKind::retire: return stays ? RankEffects{} : apply(RankEvent::retire, 0);
    case OrderKind::release:
      // The conductor decides the epoch under which the rank goes on, until it has gone on.
      if (may_withdraw(record_.state) || record_.state == RankState::ready) {
        record_.own_epoch = order.own_epoch;
      }
      return apply(RankEvent::release, 0);
  }
  return {};
}

RankEffects RankSide::on(const Order& order) {
  if (order.epoch != record_.epoch) return {};
  auto effects = act_on(order);
  effects.add({Do::report, true, 0, 0});
  return effects;
}

RankEffects RankSide::attached() const {
  RankEffects effects;
  switch (record_.state) {
    // The trainer takes part in a gang that this agent does not know (any more).
    case RankState::training: effects.add({Do::release, true, record_.own_epoch, 0}); break;
    case RankState::building: effects.add({Do::build, true, 0, 0}); break;
    case RankState::switched:
    case RankState::confirmed: effects.add({Do::switch_over, true, record_.epoch, 0}); break;
    case RankState::closed: effects.add({Do::close, true, 0, 0}); break;
    case RankState::retired: effects.add({Do::retire, true, 0, 0}); break;
    case RankState::rolled_back: effects.add({Do::release, true, record_.own_epoch, 0}); break;
    default: break;
  }
  return effects;
}

RankStatus RankSide::status() const {
  return {record_.epoch, record_.state, record_.step, record_.content};
}

}  // namespace cardswap::gang
