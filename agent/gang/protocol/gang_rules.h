#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/base/named.h"
#include "migrator/base/rule_table.h"

/// The one decision over the ranks of a job as a table: which event is possible in which state at
/// the conductor, the agent that decides; the next state, and the action. Pure; static_asserts
/// below prove what must never happen. `GangSide` applies it.
namespace cardswap::gang {

/// The state of a gang at its conductor.
enum class GangState : std::uint8_t {
  planned,
  preparing,  ///< standbys warm up, communicators are built, state is sent; the job trains
  agreeing,   ///< a step is proposed, and each rank reports whether its gate will park it there
  freezing,   ///< the step is agreed; ranks freeze there, and check digests and communicators
  committed,  ///< the newcomers are granted; each rank that stays is still frozen
  resumed,    ///< each newcomer has its grant on disk: the ranks that stay go
  completed,  ///< each rank has done a step of the next epoch: what is old is let go
  aborting,
  aborted,
  in_doubt,    ///< after the commit, before the go: a newcomer's agent is silent; all are frozen
  reclaiming,  ///< a process ended before the go: the gang goes back once no newcomer can step
  broken,      ///< after the go a process of the job ended, before its first step was recorded
};
constexpr GangState last_of(GangState) { return GangState::broken; }
inline constexpr std::size_t kGangStates = kCountOf<GangState>;

/// The events that change a gang at its conductor.
enum class GangEvent : std::uint8_t {
  started,
  all_built,         ///< each rank is built, and each newcomer is parked
  rank_late,         ///< a rank is past the proposed step
  all_armed,         ///< each rank is armed for the proposed step
  all_ready,         ///< each rank is ready at the agreed step, each newcomer equal to its leaver
  differs,           ///< a newcomer's digest differs from its leaver's
  failed,            ///< anything that goes wrong before the commit, a cancellation included
  rank_lost,         ///< after the commit: the process of a rank that stays has ended
  newcomer_is_gone,  ///< after the commit: its agent says that it ended, and recorded no step
  all_gone,          ///< each newcomer's agent says that no process of it steps, or ever will
  newcomer_silent,
  newcomer_unknown,  ///< its agent answers, and knows nothing of the gang, which proves nothing
  all_granted,
  all_stepped,
  forced_to_source,  ///< an operator decides: the newcomers are stopped for good, the job is here
  forced_to_target,  ///< an operator decides: the newcomers have the job
  cleaned_up,
};
constexpr GangEvent last_of(GangEvent) { return GangEvent::cleaned_up; }

/// The action of a rule; GangSide makes effects of it.
enum class GangAction : std::uint8_t {
  none,
  prepare,  ///< the newcomers are reserved, and the ranks join
  propose,
  freeze,
  grant,    ///< the newcomers are granted
  go,       ///< the ranks that stay go on; where none stays, the last newcomer is granted
  finish,   ///< the old communicators are closed, and the leavers retire
  release,  ///< each rank goes on, under the old epoch
  revoke,   ///< the newcomers are stopped; no rank goes on yet
  reclaim,  ///< each rank goes on as before, under a higher epoch than the granted one
  alert_operator,
};

/// A row of the table: in state `from`, the event `on` leads to the state `to` and to `then`.
struct GangRule {
  GangState from;
  GangEvent on;
  GangState to;
  GangAction then;
};

inline constexpr std::array kGangRules = [] {
  using enum GangState;
  using enum GangEvent;
  using Action = GangAction;
  return std::to_array<GangRule>({
      {planned, started, preparing, Action::prepare},
      {preparing, all_built, agreeing, Action::propose},
      {agreeing, rank_late, agreeing, Action::propose},
      {agreeing, all_armed, freezing, Action::freeze},
      {freezing, all_ready, committed, Action::grant},
      {committed, all_granted, resumed, Action::go},
      {resumed, all_stepped, completed, Action::finish},
      {freezing, differs, aborting, Action::release},
      {planned, failed, aborting, Action::release},
      {preparing, failed, aborting, Action::release},
      {agreeing, failed, aborting, Action::release},
      {freezing, failed, aborting, Action::release},
      {aborting, cleaned_up, aborted, Action::none},
      // Before the go no rank has stepped under the next epoch.
      {committed, newcomer_is_gone, reclaiming, Action::revoke},
      {in_doubt, newcomer_is_gone, reclaiming, Action::revoke},
      {committed, rank_lost, reclaiming, Action::revoke},
      {in_doubt, rank_lost, reclaiming, Action::revoke},
      {reclaiming, all_gone, aborting, Action::reclaim},
      {committed, newcomer_silent, in_doubt, Action::alert_operator},
      {committed, newcomer_unknown, in_doubt, Action::alert_operator},
      {in_doubt, all_granted, resumed, Action::go},
      {reclaiming, newcomer_silent, reclaiming, Action::alert_operator},
      {reclaiming, newcomer_unknown, reclaiming, Action::alert_operator},
      {committed, forced_to_source, aborting, Action::reclaim},
      {in_doubt, forced_to_source, aborting, Action::reclaim},
      {reclaiming, forced_to_source, aborting, Action::reclaim},
      {committed, forced_to_target, resumed, Action::go},
      {in_doubt, forced_to_target, resumed, Action::go},
      // After the go the job has lost a rank, as it would have without a move.
      {resumed, rank_lost, broken, Action::alert_operator},
      {resumed, newcomer_is_gone, broken, Action::alert_operator},
      {resumed, newcomer_silent, resumed, Action::alert_operator},
      {resumed, newcomer_unknown, resumed, Action::alert_operator},
      {resumed, forced_to_target, completed, Action::finish},
      {broken, forced_to_target, completed, Action::finish},
  });
}();

/// Whether the conductor has given the job to the newcomers.
constexpr bool is_committed(GangState state) {
  return state == GangState::committed || state == GangState::resumed ||
         state == GangState::completed || state == GangState::in_doubt ||
         state == GangState::broken;
}
/// Whether the go is on disk: the ranks that stay were told to go, or will be.
constexpr bool has_gone(GangState state) {
  return state == GangState::resumed || state == GangState::completed || state == GangState::broken;
}
constexpr bool is_given_up(GangState state) {
  return state == GangState::aborting || state == GangState::aborted;
}
constexpr bool is_over(GangState state) {
  return state == GangState::completed || state == GangState::aborted || state == GangState::broken;
}

/// Whether the new state must be on disk before anything is done. What is not committed there was
/// never decided: a restarted conductor only has to know which ranks to release.
constexpr bool needs_disk(const GangRule& rule) {
  return rule.then == GangAction::prepare || rule.then == GangAction::grant ||
         rule.then == GangAction::go || rule.then == GangAction::finish ||
         rule.then == GangAction::revoke || rule.then == GangAction::reclaim;
}

consteval bool grants_follow_only_when_all_are_ready(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool grants = rule.then == GangAction::grant;
    if (grants != (rule.to == GangState::committed && rule.from != rule.to)) return false;
    if (grants && (rule.from != GangState::freezing || rule.on != GangEvent::all_ready))
      return false;
    if (is_committed(rule.to) && !grants && !is_committed(rule.from)) return false;
  }
  return true;
}
/// Whether the ranks that stay go only when each newcomer has the job, which no later event takes
/// back.
consteval bool nobody_goes_before_all_are_granted(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool goes = rule.then == GangAction::go;
    const bool known = rule.on == GangEvent::all_granted || rule.on == GangEvent::forced_to_target;
    const bool is_frozen = rule.from == GangState::committed || rule.from == GangState::in_doubt;
    if (goes != (rule.to == GangState::resumed && rule.from != rule.to)) return false;
    if (goes && (!known || !is_frozen)) return false;
  }
  return true;
}
consteval bool nobody_is_released_after_the_commit(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool before = rule.from < GangState::committed;
    if (rule.then == GangAction::release && (!before || rule.to != GangState::aborting)) {
      return false;
    }
    const bool gives_up = is_given_up(rule.to) && !is_given_up(rule.from);
    if (gives_up && rule.then != GangAction::release && rule.then != GangAction::reclaim) {
      return false;
    }
  }
  return true;
}
/// Whether the gang goes back after the commit only before the go, with a proof or by an operator's
/// decision.
consteval bool only_what_is_frozen_is_reclaimed(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool reclaims = rule.then == GangAction::reclaim;
    const bool revokes = rule.then == GangAction::revoke;
    const bool is_frozen = rule.from == GangState::committed || rule.from == GangState::in_doubt;
    if (revokes != (rule.to == GangState::reclaiming && rule.from != rule.to)) return false;
    const bool lost = rule.on == GangEvent::newcomer_is_gone || rule.on == GangEvent::rank_lost;
    if (revokes && (!is_frozen || !lost)) return false;
    const bool proven = rule.from == GangState::reclaiming && rule.on == GangEvent::all_gone;
    const bool forced =
        (is_frozen || rule.from == GangState::reclaiming) && rule.on == GangEvent::forced_to_source;
    if (reclaims && !proven && !forced) return false;
    // What was revoked is never granted again.
    if (rule.from == GangState::reclaiming && is_committed(rule.to)) return false;
  }
  return true;
}
consteval bool what_is_old_is_kept_until_the_first_step(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool finishes = rule.then == GangAction::finish;
    const bool known = rule.on == GangEvent::all_stepped || rule.on == GangEvent::forced_to_target;
    if (finishes != (rule.to == GangState::completed && rule.from != rule.to)) return false;
    if (finishes && !known) return false;
    if (finishes && !is_committed(rule.from)) return false;
  }
  return true;
}
/// Whether a step is agreed on only when every gate is armed for it, and does not change from then
/// on.
consteval bool a_step_is_agreed_on_once(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool open = rule.from == GangState::preparing || rule.from == GangState::agreeing;
    if (rule.then == GangAction::propose && (!open || rule.to != GangState::agreeing)) return false;
    const bool holds = rule.then == GangAction::freeze;
    if (holds != (rule.to == GangState::freezing && rule.from != rule.to)) return false;
    if (holds && (rule.from != GangState::agreeing || rule.on != GangEvent::all_armed))
      return false;
  }
  return true;
}
consteval bool every_state_before_the_commit_can_fail(std::span<const GangRule> rules) {
  for (auto raw = 0; raw < static_cast<int>(GangState::committed); ++raw) {
    if (!rule_for(rules, static_cast<GangState>(raw), GangEvent::failed)) return false;
  }
  return true;
}

static_assert(grants_follow_only_when_all_are_ready(kGangRules), "invariants 4 and 5");
static_assert(nobody_goes_before_all_are_granted(kGangRules), "invariant 7: one epoch");
static_assert(nobody_is_released_after_the_commit(kGangRules), "invariant 1: one owner");
static_assert(only_what_is_frozen_is_reclaimed(kGangRules), "invariant 7: one epoch");
static_assert(what_is_old_is_kept_until_the_first_step(kGangRules), "invariants 6 and 7");
static_assert(a_step_is_agreed_on_once(kGangRules), "invariant 7: one step");
static_assert(every_state_before_the_commit_can_fail(kGangRules), "invariant 3");
static_assert(every_pair_is_listed_once(kGangRules));

[[nodiscard]] std::string_view to_string(GangState state);
[[nodiscard]] std::string_view to_string(GangEvent event);

}  // namespace cardswap::gang
