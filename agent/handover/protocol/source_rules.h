#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "agent/handover/protocol/source_states.h"
#include "migrator/base/rule_table.h"

/// The source's half of the handover as a table: which event is possible in which state, the next
/// state, and the action. Pure; static_asserts below prove what must never happen. `SourceSide`
/// applies it.
namespace cardswap::handover {

/// The events that change a migration at its source.
enum class Event : std::uint8_t {
  started,
  standby_parked,
  sync_began,
  downtime_fits,
  freeze_due,
  trainer_frozen,
  digests_equal,
  digests_differ,
  target_granted,  ///< its agent has the grant on disk
  target_resumed,
  target_stepped,
  failed,          ///< anything that goes wrong before the commit, a cancellation included
  target_is_gone,  ///< after the grant: its agent says that the process ended before its first step
  target_silent,   ///< after the grant: its agent does not answer
  target_unknown,  ///< after the grant: its agent answers, and knows nothing of the migration
  target_outranks,   ///< after the end: it steps under a higher epoch than the source's trainer
  forced_to_source,  ///< an operator decides: the target's process is stopped, the job is here
  forced_to_target,  ///< an operator decides: the job is at the target
  cleaned_up,
  trainer_stays,   ///< the trainer was retired, and its process does not end by itself
  state_captured,  ///< a snapshot: both digests are equal, and nothing is granted
  target_stored,   ///< a snapshot: the keeper has published it in its store
};

/// The action of a rule; SourceSide makes effects of it.
enum class Action : std::uint8_t {
  none,
  reserve,
  begin_sync,
  freeze,
  grant,
  retire,
  release,         ///< the frozen or syncing trainer goes on, under its old epoch
  reclaim,         ///< the frozen trainer goes on, under a higher epoch than the granted one
  alert_operator,  ///< an operator is told; nothing is guessed
  halt_trainer,  ///< the trainer here is halted for good; it is not ended: its state may be wanted
  end_trainer,   ///< the process here is ended: its job is at the target
  /// The frozen trainer goes on, under its old epoch; the keeper keeps the state.
  release_captured,
};

/// A row of the table: in state `from`, the event `on` leads to the state `to` and to `then`.
struct Rule {
  State from;
  Event on;
  State to;
  Action then;
};

inline constexpr std::array kSourceRules = [] {
  using enum State;
  using enum Event;
  return std::to_array<Rule>({
      {planned, started, preparing, Action::reserve},
      {preparing, standby_parked, standby_ready, Action::none},
      {standby_ready, sync_began, syncing, Action::begin_sync},
      {syncing, downtime_fits, converged, Action::none},
      {converged, freeze_due, freezing, Action::freeze},
      {freezing, trainer_frozen, verifying, Action::none},
      {verifying, digests_equal, committed, Action::grant},
      {verifying, digests_differ, aborting, Action::release},
      {verifying, state_captured, captured, Action::release_captured},
      {captured, target_stored, stored, Action::none},
      {committed, target_resumed, resumed, Action::none},
      {resumed, target_stepped, completed, Action::retire},
      {planned, failed, aborting, Action::release},
      {preparing, failed, aborting, Action::release},
      {standby_ready, failed, aborting, Action::release},
      {syncing, failed, aborting, Action::release},
      {converged, failed, aborting, Action::release},
      {freezing, failed, aborting, Action::release},
      {verifying, failed, aborting, Action::release},
      {captured, failed, aborting, Action::release},
      {committed, target_is_gone, aborting, Action::reclaim},
      {resumed, target_is_gone, aborting, Action::reclaim},
      {committed, target_silent, in_doubt, Action::alert_operator},
      {resumed, target_silent, in_doubt, Action::alert_operator},
      {committed, target_unknown, in_doubt, Action::alert_operator},
      {resumed, target_unknown, in_doubt, Action::alert_operator},
      {in_doubt, target_granted, committed, Action::none},
      {in_doubt, target_resumed, resumed, Action::none},
      {in_doubt, target_is_gone, aborting, Action::reclaim},
      {committed, forced_to_source, aborting, Action::reclaim},
      {resumed, forced_to_source, aborting, Action::reclaim},
      {in_doubt, forced_to_source, aborting, Action::reclaim},
      {committed, forced_to_target, completed, Action::retire},
      {resumed, forced_to_target, completed, Action::retire},
      {in_doubt, forced_to_target, completed, Action::retire},
      {aborting, cleaned_up, aborted, Action::none},
      {aborting, target_outranks, superseded, Action::halt_trainer},
      {aborted, target_outranks, superseded, Action::halt_trainer},
      {completed, trainer_stays, completed, Action::end_trainer},
  });
}();

/// Whether the new state must be on disk before anything is done. A trainer may be released without
/// that: a commit that is not on disk was never decided. An operator is alerted without it: a
/// restarted agent finds `committed`, and the target silent again. `aborted` may be lost: a
/// restarted agent cleans up once more. `stored` may be lost: the store has the snapshot.
constexpr bool needs_disk(const Rule& rule) {
  return rule.then != Action::release && rule.then != Action::release_captured &&
         rule.then != Action::alert_operator && rule.to != State::aborted &&
         rule.to != State::stored;
}

consteval bool trainer_is_never_released_after_commit(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    if (is_committed(rule.from) && rule.then == Action::release) return false;
    const bool known = rule.on == Event::target_is_gone || rule.on == Event::forced_to_source;
    if (rule.then == Action::reclaim && !known) return false;
  }
  return true;
}
consteval bool grant_follows_only_equal_digests(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    const bool grants = rule.then == Action::grant;
    if (grants && (rule.on != Event::digests_equal || rule.to != State::committed)) return false;
    if (rule.to == State::committed && !grants && !is_committed(rule.from)) return false;
  }
  return true;
}
consteval bool trainer_is_kept_until_the_first_step(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    const bool known = rule.on == Event::target_stepped || rule.on == Event::forced_to_target;
    if (rule.then == Action::retire && !known) return false;
  }
  return true;
}
/// Whether a trainer is halted exactly where a higher epoch is known to step at the target.
consteval bool only_the_lower_of_two_is_halted(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    const bool halts = rule.then == Action::halt_trainer;
    if (halts != (rule.on == Event::target_outranks)) return false;
    if (halts != (rule.to == State::superseded) || rule.from == State::superseded) return false;
    if (halts && !is_given_up(rule.from)) return false;
  }
  return true;
}
consteval bool only_what_is_elsewhere_is_ended(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    if (rule.then == Action::end_trainer && rule.from != State::completed) return false;
  }
  return true;
}
consteval bool what_may_be_cancelled_can_fail(std::span<const Rule> rules) {
  for (std::size_t raw = 0; raw < kStates; ++raw) {
    const auto state = static_cast<State>(raw);
    if (may_cancel(state) != rule_for(rules, state, Event::failed).has_value()) return false;
  }
  return true;
}
/// Whether a snapshot lets the trainer go on exactly when both digests are equal, and does nothing
/// else to it: the job is never granted, and the trainer goes on under its old epoch.
consteval bool a_snapshot_takes_nothing_from_the_trainer(std::span<const Rule> rules) {
  for (const auto& rule : rules) {
    const bool releases_captured = rule.then == Action::release_captured;
    if (releases_captured != (rule.on == Event::state_captured)) return false;
    if (releases_captured && (rule.from != State::verifying || rule.to != State::captured))
      return false;
    if (rule.to == State::captured && !releases_captured) return false;
    if (rule.to == State::stored && (rule.from != State::captured || rule.then != Action::none)) {
      return false;
    }
    if (rule.from == State::stored) return false;
    if (rule.from == State::captured && rule.to != State::stored &&
        (rule.to != State::aborting || rule.then != Action::release)) {
      return false;
    }
  }
  return true;
}

static_assert(trainer_is_never_released_after_commit(kSourceRules), "invariant 1: one owner");
static_assert(grant_follows_only_equal_digests(kSourceRules), "invariants 4 and 5");
static_assert(trainer_is_kept_until_the_first_step(kSourceRules), "invariant 6");
static_assert(only_the_lower_of_two_is_halted(kSourceRules),
              "invariant 1: a lower epoch is halted");
static_assert(only_what_is_elsewhere_is_ended(kSourceRules), "invariant 6");
static_assert(a_snapshot_takes_nothing_from_the_trainer(kSourceRules), "invariants 1 and 2");
static_assert(every_pair_is_listed_once(kSourceRules));
static_assert(what_may_be_cancelled_can_fail(kSourceRules), "invariant 3");

}  // namespace cardswap::handover
