#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/base/named.h"
#include "migrator/base/rule_table.h"

/// One decision over the ranks of a job, as a table: what may follow what at the conductor, the
/// agent that makes it, and what is done then. Pure; the compiler proves what must never happen
/// (the static_asserts below). `GangSide` reads it.
namespace cardswap::gang {

/// Where a gang is, to its conductor.
enum class GangState : std::uint8_t {
  planned,
  preparing,  ///< standbys warm up, communicators are built, state is sent; the job trains
  agreeing,   ///< a step is proposed, and each rank says whether its gate has it stand there
  freezing,   ///< the step is agreed; ranks come to stand, digests and communicators are checked
  committed,  ///< newcomers are granted; every rank that stays still stands
  resumed,    ///< each newcomer has its grant on disk: the ranks that stay go
  completed,  ///< a step of the next epoch is done everywhere: what is old is let go
  aborting,
  aborted,
  in_doubt,    ///< between the commit and the go a newcomer's agent does not tell; all stand
  reclaiming,  ///< a process ended before the go: the gang goes back once no newcomer can step
  broken,      ///< behind the go a process of the job ended, before its first step was recorded
};
constexpr GangState last_of(GangState) { return GangState::broken; }
inline constexpr std::size_t kGangStates = kCountOf<GangState>;

/// What a gang's conductor sees.
enum class GangEvent : std::uint8_t {
  started,
  all_built,         ///< with each newcomer parked
  rank_late,         ///< a rank is past the proposed step
  all_armed,         ///< for the proposed step
  all_ready,         ///< at the agreed step, each newcomer with the digest of its leaver
  differs,           ///< a newcomer's digest from its leaver's
  failed,            ///< anything that goes wrong before the commit, a cancellation included
  rank_lost,         ///< behind the commit: the process of a rank that stays ended
  newcomer_is_gone,  ///< behind the commit: its agent says so, and it had not recorded a step
  all_gone,          ///< each newcomer's agent says that nothing of it steps, or will
  newcomer_silent,
  newcomer_unknown,  ///< its agent answers and knows nothing, which proves nothing
  all_granted,
  all_stepped,
  forced_to_source,  ///< the operator's word: the newcomers are stopped and stay so
  forced_to_target,  ///< the operator's word: the newcomers have the job
  cleaned_up,
};
constexpr GangEvent last_of(GangEvent) { return GangEvent::cleaned_up; }

/// What is done when a gang's state changes.
enum class GangAction : std::uint8_t {
  none,
  prepare,  ///< newcomers are reserved, ranks join
  propose,
  freeze,
  grant,    ///< to the newcomers
  go,       ///< to the ranks that stay
  finish,   ///< old communicators are let go, leavers retired
  release,  ///< everybody goes on, under the old epoch
  revoke,   ///< to the newcomers: nothing steps there any more; nobody goes on yet
  reclaim,  ///< everybody goes on as before, under a higher epoch than was granted
  alert_operator,
};

/// A row of the table: what an event in a state leads to.
struct GangRule {
  GangState from;
  GangEvent on;
  GangState to;
  GangAction then;
};

inline constexpr auto kGangRules = [] {
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
      // Until the go nobody has stepped under the next epoch.
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
      // Behind it the job has lost a rank, as it would without a move.
      {resumed, rank_lost, broken, Action::alert_operator},
      {resumed, newcomer_is_gone, broken, Action::alert_operator},
      {resumed, newcomer_silent, resumed, Action::alert_operator},
      {resumed, newcomer_unknown, resumed, Action::alert_operator},
      {resumed, forced_to_target, completed, Action::finish},
      {broken, forced_to_target, completed, Action::finish},
  });
}();

/// Whether the newcomers have the job, as far as the conductor decides.
constexpr bool is_committed(GangState state) {
  return state == GangState::committed || state == GangState::resumed ||
         state == GangState::completed || state == GangState::in_doubt ||
         state == GangState::broken;
}
/// Whether the ranks that stay were told to go, or will be.
constexpr bool has_gone(GangState state) {
  return state == GangState::resumed || state == GangState::completed || state == GangState::broken;
}
constexpr bool is_given_up(GangState state) {
  return state == GangState::aborting || state == GangState::aborted;
}
constexpr bool is_over(GangState state) {
  return state == GangState::completed || state == GangState::aborted || state == GangState::broken;
}

/// Whether nothing is done unless the new state is on disk. What is not committed there was never
/// decided, so a restarted conductor needs to know no more than whom to release.
constexpr bool needs_disk(const GangRule& rule) {
  return rule.then == GangAction::prepare || rule.then == GangAction::grant ||
         rule.then == GangAction::go || rule.then == GangAction::finish ||
         rule.then == GangAction::revoke || rule.then == GangAction::reclaim;
}

constexpr bool grants_follow_only_when_all_are_ready(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool grants = rule.then == GangAction::grant;
    if (grants != (rule.to == GangState::committed && rule.from != rule.to)) return false;
    if (grants && (rule.from != GangState::freezing || rule.on != GangEvent::all_ready))
      return false;
    if (is_committed(rule.to) && !grants && !is_committed(rule.from)) return false;
  }
  return true;
}
/// Whether the ranks that stay go only when each newcomer has the job, which no later event undoes.
constexpr bool nobody_goes_before_all_are_granted(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool goes = rule.then == GangAction::go;
    const bool known = rule.on == GangEvent::all_granted || rule.on == GangEvent::forced_to_target;
    const bool stood = rule.from == GangState::committed || rule.from == GangState::in_doubt;
    if (goes != (rule.to == GangState::resumed && rule.from != rule.to)) return false;
    if (goes && (!known || !stood)) return false;
  }
  return true;
}
constexpr bool nobody_is_released_after_the_commit(std::span<const GangRule> rules) {
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
/// Whether the gang goes back behind the commit only before the go, and on a proof or by an
/// operator's word.
constexpr bool only_what_stands_is_reclaimed(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool reclaims = rule.then == GangAction::reclaim;
    const bool revokes = rule.then == GangAction::revoke;
    const bool stood = rule.from == GangState::committed || rule.from == GangState::in_doubt;
    if (revokes != (rule.to == GangState::reclaiming && rule.from != rule.to)) return false;
    const bool lost = rule.on == GangEvent::newcomer_is_gone || rule.on == GangEvent::rank_lost;
    if (revokes && (!stood || !lost)) return false;
    const bool proven = rule.from == GangState::reclaiming && rule.on == GangEvent::all_gone;
    const bool forced =
        (stood || rule.from == GangState::reclaiming) && rule.on == GangEvent::forced_to_source;
    if (reclaims && !proven && !forced) return false;
    // What was revoked is granted to nobody any more.
    if (rule.from == GangState::reclaiming && is_committed(rule.to)) return false;
  }
  return true;
}
constexpr bool what_is_old_is_kept_until_the_first_step(std::span<const GangRule> rules) {
  for (const auto& rule : rules) {
    const bool finishes = rule.then == GangAction::finish;
    const bool known = rule.on == GangEvent::all_stepped || rule.on == GangEvent::forced_to_target;
    if (finishes != (rule.to == GangState::completed && rule.from != rule.to)) return false;
    if (finishes && !known) return false;
    if (finishes && !is_committed(rule.from)) return false;
  }
  return true;
}
/// Whether a step is agreed on only when every gate has it, and not moved from then on.
constexpr bool a_step_is_agreed_on_once(std::span<const GangRule> rules) {
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
constexpr bool every_state_before_the_commit_can_fail(std::span<const GangRule> rules) {
  for (auto raw = 0; raw < static_cast<int>(GangState::committed); ++raw) {
    if (!rule_for(rules, static_cast<GangState>(raw), GangEvent::failed)) return false;
  }
  return true;
}

static_assert(grants_follow_only_when_all_are_ready(kGangRules), "invariants 4 and 5");
static_assert(nobody_goes_before_all_are_granted(kGangRules), "invariant 7: one epoch");
static_assert(nobody_is_released_after_the_commit(kGangRules), "invariant 1: one owner");
static_assert(only_what_stands_is_reclaimed(kGangRules), "invariant 7: one epoch");
static_assert(what_is_old_is_kept_until_the_first_step(kGangRules), "invariants 6 and 7");
static_assert(a_step_is_agreed_on_once(kGangRules), "invariant 7: one step");
static_assert(every_state_before_the_commit_can_fail(kGangRules), "invariant 3");
static_assert(every_pair_is_listed_once(kGangRules));

[[nodiscard]] std::string_view to_string(GangState state);
[[nodiscard]] std::optional<GangState> gang_state_from_string(std::string_view text);

}  // namespace cardswap::gang
