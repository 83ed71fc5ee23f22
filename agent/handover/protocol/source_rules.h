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
enum class SourceEvent : std::uint8_t {
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
enum class SourceAction : std::uint8_t {
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
struct SourceRule {
  SourceState from;
  SourceEvent on;
  SourceState to;
  SourceAction then;
};

inline constexpr std::array kSourceRules = [] {
  using enum SourceState;
  using enum SourceEvent;
  return std::to_array<SourceRule>({
      {planned, started, preparing, SourceAction::reserve},
      {preparing, standby_parked, standby_ready, SourceAction::none},
      {standby_ready, sync_began, syncing, SourceAction::begin_sync},
      {syncing, downtime_fits, converged, SourceAction::none},
      {converged, freeze_due, freezing, SourceAction::freeze},
      {freezing, trainer_frozen, verifying, SourceAction::none},
      {verifying, digests_equal, committed, SourceAction::grant},
      {verifying, digests_differ, aborting, SourceAction::release},
      {verifying, state_captured, captured, SourceAction::release_captured},
      {captured, target_stored, stored, SourceAction::none},
      {committed, target_resumed, resumed, SourceAction::none},
      {resumed, target_stepped, completed, SourceAction::retire},
      {planned, failed, aborting, SourceAction::release},
      {preparing, failed, aborting, SourceAction::release},
      {standby_ready, failed, aborting, SourceAction::release},
      {syncing, failed, aborting, SourceAction::release},
      {converged, failed, aborting, SourceAction::release},
      {freezing, failed, aborting, SourceAction::release},
      {verifying, failed, aborting, SourceAction::release},
      {captured, failed, aborting, SourceAction::release},
      {committed, target_is_gone, aborting, SourceAction::reclaim},
      {resumed, target_is_gone, aborting, SourceAction::reclaim},
      {committed, target_silent, in_doubt, SourceAction::alert_operator},
      {resumed, target_silent, in_doubt, SourceAction::alert_operator},
      {committed, target_unknown, in_doubt, SourceAction::alert_operator},
      {resumed, target_unknown, in_doubt, SourceAction::alert_operator},
      {in_doubt, target_granted, committed, SourceAction::none},
      {in_doubt, target_resumed, resumed, SourceAction::none},
      {in_doubt, target_is_gone, aborting, SourceAction::reclaim},
      {committed, forced_to_source, aborting, SourceAction::reclaim},
      {resumed, forced_to_source, aborting, SourceAction::reclaim},
      {in_doubt, forced_to_source, aborting, SourceAction::reclaim},
      {committed, forced_to_target, completed, SourceAction::retire},
      {resumed, forced_to_target, completed, SourceAction::retire},
      {in_doubt, forced_to_target, completed, SourceAction::retire},
      {aborting, cleaned_up, aborted, SourceAction::none},
      {aborting, target_outranks, superseded, SourceAction::halt_trainer},
      {aborted, target_outranks, superseded, SourceAction::halt_trainer},
      {completed, trainer_stays, completed, SourceAction::end_trainer},
  });
}();

/// Whether the new state must be on disk before anything is done. A trainer may be released without
/// that: a commit that is not on disk was never decided. An operator is alerted without it: a
/// restarted agent finds `committed`, and the target silent again. `aborted` may be lost: a
/// restarted agent cleans up once more. `stored` may be lost: the store has the snapshot.
constexpr bool needs_disk(const SourceRule& rule) {
  return rule.then != SourceAction::release && rule.then != SourceAction::release_captured &&
         rule.then != SourceAction::alert_operator && rule.to != SourceState::aborted &&
         rule.to != SourceState::stored;
}

consteval bool trainer_is_never_released_after_commit(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    if (is_committed(rule.from) && rule.then == SourceAction::release) return false;
    const bool known =
        rule.on == SourceEvent::target_is_gone || rule.on == SourceEvent::forced_to_source;
    if (rule.then == SourceAction::reclaim && !known) return false;
  }
  return true;
}
consteval bool grant_follows_only_equal_digests(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    const bool grants = rule.then == SourceAction::grant;
    if (grants && (rule.on != SourceEvent::digests_equal || rule.to != SourceState::committed))
      return false;
    if (rule.to == SourceState::committed && !grants && !is_committed(rule.from)) return false;
  }
  return true;
}
consteval bool trainer_is_kept_until_the_first_step(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    const bool known =
        rule.on == SourceEvent::target_stepped || rule.on == SourceEvent::forced_to_target;
    if (rule.then == SourceAction::retire && !known) return false;
  }
  return true;
}
/// Whether a trainer is halted exactly where a higher epoch is known to step at the target.
consteval bool only_the_lower_of_two_is_halted(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    const bool halts = rule.then == SourceAction::halt_trainer;
    if (halts != (rule.on == SourceEvent::target_outranks)) return false;
    if (halts != (rule.to == SourceState::superseded) || rule.from == SourceState::superseded)
      return false;
    if (halts && !is_given_up(rule.from)) return false;
  }
  return true;
}
consteval bool only_what_is_elsewhere_is_ended(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    if (rule.then == SourceAction::end_trainer && rule.from != SourceState::completed) return false;
  }
  return true;
}
consteval bool what_may_be_cancelled_can_fail(std::span<const SourceRule> rules) {
  for (std::size_t raw = 0; raw < kSourceStates; ++raw) {
    const auto state = static_cast<SourceState>(raw);
    if (may_cancel(state) != rule_for(rules, state, SourceEvent::failed).has_value()) return false;
  }
  return true;
}
/// Whether a snapshot lets the trainer go on exactly when both digests are equal, and does nothing
/// else to it: the job is never granted, and the trainer goes on under its old epoch.
consteval bool a_snapshot_takes_nothing_from_the_trainer(std::span<const SourceRule> rules) {
  for (const auto& rule : rules) {
    const bool releases_captured = rule.then == SourceAction::release_captured;
    if (releases_captured != (rule.on == SourceEvent::state_captured)) return false;
    if (releases_captured &&
        (rule.from != SourceState::verifying || rule.to != SourceState::captured))
      return false;
    if (rule.to == SourceState::captured && !releases_captured) return false;
    if (rule.to == SourceState::stored &&
        (rule.from != SourceState::captured || rule.then != SourceAction::none)) {
      return false;
    }
    if (rule.from == SourceState::stored) return false;
    if (rule.from == SourceState::captured && rule.to != SourceState::stored &&
        (rule.to != SourceState::aborting || rule.then != SourceAction::release)) {
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
