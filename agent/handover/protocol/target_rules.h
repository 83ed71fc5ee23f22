#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/base/named.h"
#include "migrator/base/rule_table.h"

/// The target's half of the handover as a table. Pure; `TargetSide` reads it.
namespace cardswap::handover {

/// Where a migration is, to its target.
enum class TargetState : std::uint8_t {
  nothing,  ///< this agent knows nothing of the migration
  reserved,
  starting,
  parked,
  verified,  ///< the standby holds the whole state; asks for the decision when the source is silent
  granted,   ///< this host owns the job
  resumed,
  completed,
  stopping,    ///< it had the grant and is being killed; not stepping is not known yet
  failed,      ///< for good: no process steps here, and none will for this migration
  superseded,  ///< it owned the job, which steps elsewhere under a higher epoch; stands for good
  stored,      ///< for a store: what the keeper held is published there
};
constexpr TargetState last_of(TargetState) { return TargetState::stored; }
inline constexpr std::size_t kTargetStates = kCountOf<TargetState>;

/// What a migration's target sees.
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
  forced_to_source,  ///< the operator's word; nothing is asked of the other side
  forced_to_target,  ///< the operator's word: the source's process is stopped and stays so
  restarted,         ///< this agent
  taken_back,        ///< its source goes on by an operator's word, under a higher epoch
  standby_stored,    ///< for a store: the keeper has published what it held
};

/// What is done when a migration's state changes.
enum class TargetAction : std::uint8_t {
  none,
  start,
  grant,
  kill,
  resume,  ///< past the first step's boundary, where a granted trainer waits
  ask,
  fence,  ///< the trainer here stands for good; it is not ended: its state may be wanted
};

/// A row of the table: what an event in a state leads to.
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
      {granted, standby_stepped, completed, TargetAction::resume},
      {resumed, standby_stepped, completed, TargetAction::resume},
      {completed, standby_stepped, completed, TargetAction::resume},
      {granted, standby_failed, stopping, TargetAction::kill},
      {granted, forced_to_source, stopping, TargetAction::kill},
      {resumed, forced_to_source, stopping, TargetAction::kill},
      {granted, standby_ended, failed, TargetAction::none},
      {resumed, standby_ended, failed, TargetAction::none},
      {stopping, standby_ended, failed, TargetAction::none},
      {stopping, restarted, stopping, TargetAction::kill},
      {granted, taken_back, superseded, TargetAction::fence},
      {resumed, taken_back, superseded, TargetAction::fence},
      {completed, taken_back, superseded, TargetAction::fence},
      {superseded, standby_ended, failed, TargetAction::none},
      {superseded, restarted, superseded, TargetAction::fence},
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

/// Whether this host owns the job, and says so.
constexpr bool is_granted(TargetState state) {
  return state == TargetState::granted || state == TargetState::resumed ||
         state == TargetState::completed;
}
/// Whether the job has arrived, or its snapshot is in the store, or nothing of it is here.
constexpr bool is_over(TargetState state) {
  return state == TargetState::completed || state == TargetState::failed ||
         state == TargetState::stored;
}

/// Whether nothing is done unless the new state is on disk. A failure may be lost: what a restarted
/// agent finds instead leads to the same end. That it is stored the store itself says.
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
/// Whether none leaves `failed`, which a source takes for a proof, and an owner enters it only when
/// it ended.
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
/// Whether whoever owned the job stands as soon as a higher epoch is known, and nothing but its end
/// follows.
consteval bool a_superseded_trainer_never_steps_again(std::span<const TargetRule> rules) {
  std::size_t owners = 0;
  for (const auto& rule : rules) {
    const bool fences = rule.then == TargetAction::fence;
    if (fences != (rule.to == TargetState::superseded)) return false;
    if (rule.from == TargetState::superseded) {
      if (!fences && rule.to != TargetState::failed) return false;
      continue;
    }
    if (fences != (rule.on == TargetEvent::taken_back)) return false;
    if (fences && !is_granted(rule.from)) return false;
    if (fences) ++owners;
  }
  return owners == 3;
}
consteval bool goes_on_only_when_the_first_step_is_recorded(std::span<const TargetRule> rules) {
  for (const auto& rule : rules) {
    if (rule.then == TargetAction::resume && rule.to != TargetState::completed) return false;
  }
  return true;
}
/// Whether a state is stored once it was verified, by its keeper's word, and that is the end.
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
static_assert(is_granted_once_and_by_a_fitting_message(kTargetRules), "invariants 1 and 4");
static_assert(failed_means_that_nothing_steps_here(kTargetRules), "invariants 1 and 6");
static_assert(goes_on_only_when_the_first_step_is_recorded(kTargetRules), "invariant 2");
static_assert(a_superseded_trainer_never_steps_again(kTargetRules),
              "invariant 1: a lower epoch stands");
static_assert(what_is_stored_was_verified_and_stays(kTargetRules), "invariant 5");
static_assert(every_pair_is_listed_once(kTargetRules));

[[nodiscard]] std::string_view to_string(TargetState state);
[[nodiscard]] std::optional<TargetState> target_state_from_string(std::string_view text);

}  // namespace cardswap::handover
