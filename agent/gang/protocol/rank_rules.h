#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/base/named.h"
#include "migrator/base/rule_table.h"

/// A rank's part of a gang as a table, at the rank's own agent. A rank stays and takes the next
/// communicator, or leaves while its state is sent. Pure; static_asserts below prove what must
/// never happen. `RankSide` applies it.
///
// clang-format off
/// training -> building -> built -> armed ---> bound ---> frozen -> ready -> switched -> confirmed -> closed   (stays)
///                                    \-> parked -----------^          \-> retired                            (leaves)
///             (any of building .. frozen: by itself or by order, ready: by order alone -> rolled_back)
// clang-format on
namespace cardswap::gang {

/// Whether a rank keeps its process and takes the next communicator, or moves.
enum class Part : std::uint8_t { stays, leaves };
constexpr Part last_of(Part) { return Part::leaves; }
/// "stays", "leaves".
[[nodiscard]] constexpr std::string_view to_string(Part part) {
  return part == Part::stays ? "stays" : "leaves";
}

/// The state of a rank in a gang, at its agent.
enum class RankState : std::uint8_t {
  training,     ///< this agent knows of no gang
  building,     ///< the rank trains, and builds the next communicator or sends its state
  built,        ///< it has the next communicator, or little is left to send
  armed,        ///< its gate will park it at the proposed step
  parked,       ///< it is parked there; a later step may still be proposed
  bound,        ///< the step is agreed; it is on its way there
  frozen,       ///< it is parked at the agreed step, and checks communicator or digests
  ready,        ///< it has checked and promised, on disk: from here only its conductor decides
  switched,     ///< it goes on with the next communicator, under the next epoch
  confirmed,    ///< it has done a step of the next epoch; the old communicator is still there
  closed,       ///< the old communicator is closed
  retired,      ///< the rank is elsewhere
  rolled_back,  ///< it goes on as before; this gang is over for it
  ended,        ///< its process is gone
};
constexpr RankState last_of(RankState) { return RankState::ended; }
inline constexpr std::size_t kRankStates = kCountOf<RankState>;

/// The events that change a rank at its agent.
enum class RankEvent : std::uint8_t {
  // Orders of its conductor.
  join,
  propose,  ///< a later step than it is armed for
  freeze,   ///< the step that it is armed for is agreed
  go,
  finish,  ///< each rank has done a step of the next epoch
  retire,
  release,
  // Reports of its trainer.
  prepared,
  gate_set,
  gate_passed,  ///< it is past the proposed step already
  reached,
  checked,
  stepped,
  failed,  ///< it has no communicator, or its check found a difference
  process_ended,
  // What its agent sees by itself.
  conductor_silent,
  restarted,
};
constexpr RankEvent last_of(RankEvent) { return RankEvent::restarted; }

/// The action of a rule; RankSide makes effects of it.
enum class RankAction : std::uint8_t {
  none,
  build,
  arm,
  check,
  switch_over,
  close,  ///< the old communicator is closed
  retire,
  release,  ///< it goes on with the communicator that it has, under the epoch of its order
  ask,
};

/// A row of the table: in state `from`, the event `on` leads to the state `to` and to `then`.
struct RankRule {
  RankState from;
  RankEvent on;
  RankState to;
  RankAction then;
};

inline constexpr std::array kRankRules = [] {
  using enum RankState;
  using enum RankEvent;
  using Action = RankAction;
  return std::to_array<RankRule>({
      {training, join, building, Action::build},
      {building, prepared, built, Action::none},
      // The step is proposed, perhaps a later one after that, and agreed.
      {built, propose, built, Action::arm},
      {built, gate_set, armed, Action::none},
      {built, gate_passed, built, Action::none},
      {armed, propose, armed, Action::arm},  // spares it a stop at the earlier step
      {armed, gate_set, armed, Action::none},
      {armed, reached, parked, Action::none},
      {parked, propose, parked, Action::arm},
      {parked, gate_set, armed, Action::none},
      {armed, freeze, bound, Action::none},
      {parked, freeze, frozen, Action::check},
      {bound, reached, frozen, Action::check},
      {frozen, checked, ready, Action::none},
      // The decision.
      {ready, go, switched, Action::switch_over},
      {ready, retire, retired, Action::retire},
      {switched, stepped, confirmed, Action::none},
      {confirmed, finish, closed, Action::close},
      // Before its promise it may go back by itself ...
      {building, failed, rolled_back, Action::release},
      {built, failed, rolled_back, Action::release},
      {armed, failed, rolled_back, Action::release},
      {parked, failed, rolled_back, Action::release},
      {bound, failed, rolled_back, Action::release},
      {frozen, failed, rolled_back, Action::release},
      {building, conductor_silent, rolled_back, Action::release},
      {built, conductor_silent, rolled_back, Action::release},
      {armed, conductor_silent, rolled_back, Action::release},
      {parked, conductor_silent, rolled_back, Action::release},
      {bound, conductor_silent, rolled_back, Action::release},
      {frozen, conductor_silent, rolled_back, Action::release},
      {building, restarted, rolled_back, Action::release},
      {built, restarted, rolled_back, Action::release},
      {armed, restarted, rolled_back, Action::release},
      {parked, restarted, rolled_back, Action::release},
      {bound, restarted, rolled_back, Action::release},
      {frozen, restarted, rolled_back, Action::release},
      // ... or by order, and after it by order alone.
      {building, release, rolled_back, Action::release},
      {built, release, rolled_back, Action::release},
      {armed, release, rolled_back, Action::release},
      {parked, release, rolled_back, Action::release},
      {bound, release, rolled_back, Action::release},
      {frozen, release, rolled_back, Action::release},
      {ready, release, rolled_back, Action::release},
      {ready, conductor_silent, ready, Action::ask},
      {ready, restarted, ready, Action::ask},
      {building, process_ended, ended, Action::none},
      {built, process_ended, ended, Action::none},
      {armed, process_ended, ended, Action::none},
      {parked, process_ended, ended, Action::none},
      {bound, process_ended, ended, Action::none},
      {frozen, process_ended, ended, Action::none},
      {ready, process_ended, ended, Action::none},
      {switched, process_ended, ended, Action::none},
  });
}();

/// Whether the gang has begun for the rank, and it may still go back by itself.
constexpr bool may_withdraw(RankState state) {
  return state >= RankState::building && state <= RankState::frozen;
}
/// Whether the rank steps under the next epoch.
constexpr bool has_switched(RankState state) {
  return state >= RankState::switched && state <= RankState::closed;
}
/// Whether the rank's gate parks it at a proposed step.
constexpr bool is_armed(RankState state) {
  return state == RankState::armed || state == RankState::parked;
}
/// Whether nothing of the gang is left at the rank.
constexpr bool is_clear(RankState state) {
  return state == RankState::training || state == RankState::rolled_back ||
         state == RankState::ended;
}
/// Whether nothing is left to do for the rank: nothing of the gang, or all of it.
constexpr bool is_over(RankState state) {
  return is_clear(state) || state == RankState::closed || state == RankState::retired;
}

/// Whether the new state must be on disk before anything is done: a promise, and what ends it for
/// good. A released rank needs no record: a restarted agent asks, or releases it again.
constexpr bool needs_disk(const RankRule& rule) {
  return rule.to != rule.from && (rule.to == RankState::ready || rule.to == RankState::switched ||
                                  rule.to == RankState::retired);
}
/// Whether the new state is written to disk at all. What lies between the beginning and the promise
/// is not: a restarted agent takes all of it back alike. Nor is the first step of the next epoch:
/// the trainer tells it again. Most of these writes would be in the time in which the job stands.
constexpr bool is_recorded(const RankRule& rule) {
  using enum RankState;
  return rule.to != rule.from && (needs_disk(rule) || rule.to == building || rule.to == closed ||
                                  rule.to == rolled_back || rule.to == ended);
}

consteval bool a_rank_steps_under_the_next_epoch_by_order_alone(std::span<const RankRule> rules) {
  for (const auto& rule : rules) {
    const bool switches = rule.then == RankAction::switch_over;
    if (switches != (rule.to == RankState::switched)) return false;
    if (switches && (rule.from != RankState::ready || rule.on != RankEvent::go)) return false;
    if (has_switched(rule.to) && !switches && !has_switched(rule.from)) return false;
  }
  return true;
}
/// Whether a rank promises only after the check at the agreed step, and only its conductor or the
/// end of its process ends a promise.
consteval bool a_promise_is_kept(std::span<const RankRule> rules) {
  for (const auto& rule : rules) {
    if (rule.to == RankState::ready && rule.from != RankState::ready &&
        (rule.from != RankState::frozen || rule.on != RankEvent::checked)) {
      return false;
    }
    const bool known = rule.on == RankEvent::go || rule.on == RankEvent::retire ||
                       rule.on == RankEvent::release || rule.on == RankEvent::process_ended;
    if (rule.from == RankState::ready && rule.to != rule.from && !known) return false;
  }
  return true;
}
/// Whether no rank comes back that goes on under the next epoch, and none goes there that came
/// back.
consteval bool nobody_turns_back_after_the_switch(std::span<const RankRule> rules) {
  for (const auto& rule : rules) {
    const bool over = rule.from == RankState::rolled_back || rule.from == RankState::retired ||
                      rule.from == RankState::ended || rule.from == RankState::closed;
    if (over) return false;
    const bool back = rule.then == RankAction::release;
    if (back != (rule.to == RankState::rolled_back)) return false;
    if (back && !may_withdraw(rule.from) &&
        (rule.from != RankState::ready || rule.on != RankEvent::release)) {
      return false;
    }
  }
  return true;
}
consteval bool an_agreed_step_is_not_moved(std::span<const RankRule> rules) {
  for (const auto& rule : rules) {
    const bool open = rule.from == RankState::built || is_armed(rule.from);
    if (rule.then == RankAction::arm && (!open || rule.on != RankEvent::propose)) return false;
    if (rule.to == RankState::armed && !open) return false;
    // Nothing is checked while a later step may still be proposed.
    const bool agreed = (rule.on == RankEvent::freeze && rule.from == RankState::parked) ||
                        (rule.on == RankEvent::reached && rule.from == RankState::bound);
    if ((rule.then == RankAction::check) != (rule.to == RankState::frozen)) return false;
    if (rule.then == RankAction::check && !agreed) return false;
    if (rule.to == RankState::bound && rule.on != RankEvent::freeze) return false;
  }
  return true;
}
consteval bool the_old_communicator_outlives_the_first_step(std::span<const RankRule> rules) {
  for (const auto& rule : rules) {
    const bool closes = rule.then == RankAction::close;
    if (closes != (rule.to == RankState::closed)) return false;
    if (closes && (rule.from != RankState::confirmed || rule.on != RankEvent::finish)) return false;
    const bool leaves = rule.then == RankAction::retire;
    if (leaves != (rule.to == RankState::retired)) return false;
    if (leaves && (rule.from != RankState::ready || rule.on != RankEvent::retire)) return false;
  }
  return true;
}
/// Whether a rank goes back to training from each state before its promise, whoever fails.
consteval bool every_state_before_the_promise_can_go_back(std::span<const RankRule> rules) {
  for (std::size_t raw = 0; raw < kRankStates; ++raw) {
    const auto from = static_cast<RankState>(raw);
    if (!may_withdraw(from)) continue;
    for (const auto on : {RankEvent::failed, RankEvent::conductor_silent, RankEvent::restarted,
                          RankEvent::release}) {
      const auto rule = rule_for(rules, from, on);
      if (!rule || rule->to != RankState::rolled_back) return false;
    }
  }
  return true;
}

static_assert(a_rank_steps_under_the_next_epoch_by_order_alone(kRankRules), "invariants 1 and 7");
static_assert(a_promise_is_kept(kRankRules), "invariant 7: one decision");
static_assert(nobody_turns_back_after_the_switch(kRankRules), "invariant 7: one epoch");
static_assert(an_agreed_step_is_not_moved(kRankRules), "invariant 7: one step");
static_assert(the_old_communicator_outlives_the_first_step(kRankRules), "invariants 6 and 7");
static_assert(every_state_before_the_promise_can_go_back(kRankRules), "invariant 3");
static_assert(every_pair_is_listed_once(kRankRules));

[[nodiscard]] std::string_view to_string(RankState state);

}  // namespace cardswap::gang
