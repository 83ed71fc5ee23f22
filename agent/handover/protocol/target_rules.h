#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "agent/handover/protocol/target_states.h"
#include "migrator/base/rule_table.h"

/// The target's half of the handover as a table. Pure; `TargetSide` applies it.
namespace cardswap::handover {

/// The events that change a migration at its target.
enum class TargetEvent : std::uint8_t {
  reserve,
  standby_started,
  standby_parked,
  standby_verified,
  grant_fits,
  grant_of_another_epoch,
  grant_of_another_state,
  drop,
  standby_resumed,
  standby_stepped,
  standby_failed,
  standby_ended,  ///< its process is known to be gone
  source_silent,
  forced_to_source,  ///< an operator decides: the job is the source's; the source is not asked
  forced_to_target,  ///< an operator decides: the job is here; the source's process is stopped
  restarted,         ///< this agent was restarted
  taken_back,        ///< the source goes on under a higher epoch, because an operator decided so
  standby_stored,    ///< a snapshot: the keeper has published it in its store
};

/// The action of a rule; TargetSide makes effects of it.
enum class TargetAction : std::uint8_t {
  none,
  start,
  grant,
  kill,
  let_on,  ///< past the first step's boundary, where a granted trainer waits
  ask,
  halt_trainer,  ///< the trainer here is halted for good; it is not ended: its state may be wanted
};

/// A row of the table: in state `from`, the event `on` leads to the state `to` and to `then`.
struct TargetRule {
  TargetState from;
  TargetEvent on;
  TargetState to;
  TargetAction then;
};

inline constexpr std::array kTargetRules = [] {
  using enum TargetState;
  using enum TargetEvent;
  return std::to_array<TargetRule>({
      {nothing, reserve, reserved, TargetAction::start},
      {reserved, standby_started, starting, TargetAction::none},
      {starting, standby_parked, parked, TargetAction::none},
      {parked, standby_verified, verified, TargetAction::none},
      {verified, standby_verified, verified, TargetAction::none},
      {verified, standby_stored, stored, TargetAction::none},
      {verified, grant_fits, granted, TargetAction::grant},
      {verified, grant_of_another_state, failed, TargetAction::kill},
      {verified, source_silent, verified, TargetAction::ask},
      {verified, forced_to_target, granted, TargetAction::grant},
      {granted, standby_resumed, resumed, TargetAction::none},
      {granted, standby_stepped, completed, TargetAction::let_on},
      {resumed, standby_stepped, completed, TargetAction::let_on},
      {completed, standby_stepped, completed, TargetAction::let_on},
      {granted, standby_failed, stopping, TargetAction::kill},
      {granted, forced_to_source, stopping, TargetAction::kill},
      {resumed, forced_to_source, stopping, TargetAction::kill},
      {granted, standby_ended, failed, TargetAction::none},
      {resumed, standby_ended, failed, TargetAction::none},
      {stopping, standby_ended, failed, TargetAction::none},
      {stopping, restarted, stopping, TargetAction::kill},
      {granted, taken_back, superseded, TargetAction::halt_trainer},
      {resumed, taken_back, superseded, TargetAction::halt_trainer},
      {completed, taken_back, superseded, TargetAction::halt_trainer},
      {superseded, standby_ended, failed, TargetAction::none},
      {superseded, restarted, superseded, TargetAction::halt_trainer},
      {reserved, drop, failed, TargetAction::kill},
      {starting, drop, failed, TargetAction::kill},
      {parked, drop, failed, TargetAction::kill},
      {verified, drop, failed, TargetAction::kill},
      {reserved, standby_failed, failed, TargetAction::kill},
      {starting, standby_failed, failed, TargetAction::kill},
      {parked, standby_failed, failed, TargetAction::kill},
      {verified, standby_failed, failed, TargetAction::kill},
      {reserved, standby_ended, failed, TargetAction::none},
      {starting, standby_ended, failed, TargetAction::none},
      {parked, standby_ended, failed, TargetAction::none},
      {verified, standby_ended, failed, TargetAction::none},
      {reserved, source_silent, failed, TargetAction::kill},
      {starting, source_silent, failed, TargetAction::kill},
      {parked, source_silent, failed, TargetAction::kill},
      {reserved, forced_to_source, failed, TargetAction::kill},
      {starting, forced_to_source, failed, TargetAction::kill},
      {parked, forced_to_source, failed, TargetAction::kill},
      {verified, forced_to_source, failed, TargetAction::kill},
      {reserved, restarted, failed, TargetAction::kill},
      {starting, restarted, failed, TargetAction::kill},
      {parked, restarted, failed, TargetAction::kill},
      {verified, restarted, failed, TargetAction::kill},
  });
}();

/// Whether the new state must be on disk before anything is done. A failure may be lost: a
/// restarted agent reaches the same end from the state before. `stored` may be lost too: the store
/// has the snapshot.
constexpr bool needs_disk(const TargetRule& rule) {
  return rule.to == TargetState::reserved || rule.to == TargetState::verified ||
         rule.to == TargetState::granted || rule.to == TargetState::completed ||
         rule.to == TargetState::superseded;
}

consteval bool is_granted_once_and_by_a_fitting_message(std::span<const TargetRule> rules) {
  for (const auto& rule : rules) {
    const bool word =
        rule.on == TargetEvent::grant_fits || rule.on == TargetEvent::forced_to_target;
    const bool grants = rule.then == TargetAction::grant;
    if (grants != (rule.to == TargetState::granted)) return false;
    if (grants && (rule.from != TargetState::verified || !word)) return false;
    if (is_granted(rule.to) && !grants && !is_granted(rule.from)) return false;
  }
  return true;
}
/// Whether no rule leaves `failed`, which a source takes as a proof, and an owner of the job enters
/// it only when its process has ended.
consteval bool failed_means_that_nothing_steps_here(std::span<const TargetRule> rules) {
  for (const auto& rule : rules) {
    if (rule.from == TargetState::failed && rule.to != rule.from) return false;
    if (rule.from == TargetState::completed && rule.to != rule.from &&
        rule.to != TargetState::superseded) {
      return false;
    }
    const bool owned = is_granted(rule.from) || rule.from == TargetState::stopping ||
                       rule.from == TargetState::superseded;
    const bool failing = owned && rule.to == TargetState::failed;
    if (failing && rule.on != TargetEvent::standby_ended) return false;
  }
  return true;
}
/// Whether each state that owns the job becomes `superseded` as soon as a higher epoch is known,
/// and only the end of the process follows.
consteval bool a_superseded_trainer_never_steps_again(std::span<const TargetRule> rules) {
  std::size_t owners = 0;
  for (const auto& rule : rules) {
    const bool halts = rule.then == TargetAction::halt_trainer;
    if (halts != (rule.to == TargetState::superseded)) return false;
    if (rule.from == TargetState::superseded) {
      if (!halts && rule.to != TargetState::failed) return false;
      continue;
    }
    if (halts != (rule.on == TargetEvent::taken_back)) return false;
    if (halts && !is_granted(rule.from)) return false;
    if (halts) ++owners;
  }
  return owners == 3;
}
consteval bool goes_on_only_when_the_first_step_is_recorded(std::span<const TargetRule> rules) {
  for (const auto& rule : rules) {
    if (rule.then == TargetAction::let_on && rule.to != TargetState::completed) return false;
  }
  return true;
}
/// Whether `stored` is reached only from `verified`, when the keeper reports it, and no rule leaves
/// it.
consteval bool what_is_stored_was_verified_and_stays(std::span<const TargetRule> rules) {
  for (const auto& rule : rules) {
    const bool stores = rule.on == TargetEvent::standby_stored;
    if (stores != (rule.to == TargetState::stored)) return false;
    if (stores && (rule.from != TargetState::verified || rule.then != TargetAction::none)) {
      return false;
    }
    if (rule.from == TargetState::stored) return false;
  }
  return true;
}
/// Whether a cancellation finds a rule wherever one is accepted; `verified` has that rule too, and
/// only the source may use it, because it may have committed.
consteval bool what_may_be_cancelled_can_be_dropped(std::span<const TargetRule> rules) {
  for (std::size_t raw = 0; raw < kTargetStates; ++raw) {
    const auto state = static_cast<TargetState>(raw);
    const bool may_drop = rule_for(rules, state, TargetEvent::drop).has_value();
    if (may_drop != (may_cancel(state) || state == TargetState::verified)) return false;
    if (may_drop != is_undecided(state)) return false;
  }
  return true;
}
static_assert(is_granted_once_and_by_a_fitting_message(kTargetRules), "invariants 1 and 4");
static_assert(failed_means_that_nothing_steps_here(kTargetRules), "invariants 1 and 6");
static_assert(goes_on_only_when_the_first_step_is_recorded(kTargetRules), "invariant 2");
static_assert(a_superseded_trainer_never_steps_again(kTargetRules),
              "invariant 1: a lower epoch is halted");
static_assert(what_is_stored_was_verified_and_stays(kTargetRules), "invariant 5");
static_assert(what_may_be_cancelled_can_be_dropped(kTargetRules), "invariant 3");
static_assert(every_pair_is_listed_once(kTargetRules));

}  // namespace cardswap::handover
