#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "migrator/base/rule_table.h"
#include "runtime/roles/trainer_states.h"

/// The trainer's part of a migration as a table, beside the two tables of agent/handover. The
/// static_asserts below prove what must never happen. `TrainerSide` reads the table.
///
/// One decision is not in the table: when a trainer that logs updates parks. A source that is to
/// park (must_park()) does so only after its last log entry was sent. SourceRole decides that by
/// must_park(), because it changes no state: the source stays `freezing` until its engine confirms
/// that the trainer is parked.
///
// clang-format off
/// A source:   training -> preparing -> syncing -> freezing -> frozen -> verified -> retired
///                                         ^          |           (any of them: release -> training)
///                                         +- put_off +
///             freezing -> rehearsing -> freezing   (one step, before its agent hears of the freeze)
/// of a snapshot: freezing -> copied -> training   (it trains in `copied`)
/// with CRIU:  verified -> departing -> departed -> (restored elsewhere) standby_verified
/// A standby:  standby -> standby_rehearsing -> standby      (the same step, which does not count for the job)
///             standby -> standby_verified -> granting -> granted -> first_step -> first_step_done -> training
// clang-format on
namespace cardswap {

inline constexpr auto kTrainerRules = [] {
  using enum TrainerState;
  using enum TrainerEvent;
  using Action = TrainerAction;
  return std::to_array<TrainerRule>({
      // A source that is asked for a migration ...
      {training, begin_sync, preparing, Action::watch},
      {start_failed, begin_sync, preparing, Action::watch},
      {preparing, engine_began, syncing, Action::none},
      {preparing, engine_did_not_begin, start_failed, Action::refuse},
      {syncing, freeze_offered, syncing, Action::report},
      {freezing, freeze_offered, freezing, Action::report},
      // ... frozen, perhaps more than once ...
      {syncing, freeze, freezing, Action::park},
      {put_off, freeze, freezing, Action::park},
      {freezing, freeze, freezing, Action::park},
      {freezing, freeze_put_off, put_off, Action::unpark},
      {put_off, freeze_offered, freezing, Action::park},
      {freezing, freeze_holds, frozen, Action::report},
      // ... perhaps after one rehearsed step ...
      {freezing, rehearsal_due, rehearsing, Action::step_once},
      {rehearsing, rehearsed, freezing, Action::none},
      {frozen, digests_equal, verified, Action::report},
      // ... or, for a snapshot, only until its state was copied ...
      {freezing, state_copied, copied, Action::unpark},
      {copied, digests_equal, copied, Action::report},
      // ... and released, or retired.
      {training, release, training, Action::answer},
      {preparing, release, training, Action::end_migration},
      {syncing, release, training, Action::end_migration},
      {freezing, release, training, Action::end_migration},
      {put_off, release, training, Action::end_migration},
      {rehearsing, release, training, Action::end_migration},
      {frozen, release, training, Action::end_migration},
      {verified, release, training, Action::end_migration},
      {copied, release, training, Action::end_migration},
      {start_failed, release, training, Action::end_migration},
      {depart_failed, release, training, Action::end_migration},
      {preparing, retire, retired, Action::retire},
      {syncing, retire, retired, Action::retire},
      {freezing, retire, retired, Action::retire},
      {put_off, retire, retired, Action::retire},
      {rehearsing, retire, retired, Action::retire},
      {frozen, retire, retired, Action::retire},
      {verified, retire, retired, Action::retire},
      {copied, retire, retired, Action::retire},
      {start_failed, retire, retired, Action::retire},
      {depart_failed, retire, retired, Action::retire},
      {departed, retire, retired, Action::retire},
      {lost, retire, retired, Action::retire},
      {granted, retire, retired, Action::retire},
      {first_step, retire, retired, Action::retire},
      {first_step_done, retire, retired, Action::retire},
      {retired, retire, retired, Action::retire},
      // The process itself is moved.
      {verified, depart, departing, Action::depart},
      {preparing, depart_refused, preparing, Action::refuse},
      {syncing, depart_refused, syncing, Action::refuse},
      {freezing, depart_refused, freezing, Action::refuse},
      {put_off, depart_refused, put_off, Action::refuse},
      {rehearsing, depart_refused, rehearsing, Action::refuse},
      {frozen, depart_refused, frozen, Action::refuse},
      {verified, depart_refused, verified, Action::refuse},
      {copied, depart_refused, copied, Action::refuse},
      {start_failed, depart_refused, start_failed, Action::refuse},
      {depart_failed, depart_refused, depart_failed, Action::refuse},
      {granted, depart_refused, granted, Action::refuse},
      {first_step, depart_refused, first_step, Action::refuse},
      {first_step_done, depart_refused, first_step_done, Action::refuse},
      {departing, memory_given, departed, Action::report},
      {departing, memory_kept, depart_failed, Action::refuse},
      {departing, memory_lost, lost, Action::report_lost},
      {departed, release, departed, Action::recall},
      {departed, memory_recalled, training, Action::end_migration},
      {departed, arrived, departed, Action::arrive},
      {departed, memory_arrived, standby_verified, Action::report},
      {lost, release, lost, Action::report_lost},
      {lost, arrived, lost, Action::report_lost},
      // A standby.
      {training, stands_by, standby, Action::park},
      {standby, state_verified, standby_verified, Action::report},
      {standby_verified, state_verified, standby_verified, Action::report},
      {standby, rehearsal_due, standby_rehearsing, Action::step_once},
      {standby_rehearsing, rehearsed, standby, Action::report},
      {standby_rehearsing, release, standby_rehearsing, Action::answer},
      {standby_rehearsing, grant_of_another_state, standby_rehearsing, Action::refuse},
      {standby, release, standby, Action::answer},
      {standby_verified, release, standby_verified, Action::answer},
      {standby, grant_of_another_state, standby, Action::refuse},
      {standby_verified, grant_of_another_state, standby_verified, Action::refuse},
      {standby_verified, grant_fits, granting, Action::take_grant},
      {granting, grant_taken, granted, Action::run_first_step},
      {granting, grant_not_taken, standby, Action::refuse},
      {granted, resumed, first_step, Action::report},
      {first_step, stepped, first_step_done, Action::park},
      {first_step, release, training, Action::stop_watching},
      {first_step_done, release, training, Action::stop_watching},
  });
}();

/// An agent's event, and the states in which it comes too late or is meant for another state: it is
/// ignored and gets no answer.
struct IgnoredEvent {
  TrainerEvent event;
  std::array<bool, kTrainerStates> in{};

  template <class... States>
  constexpr explicit IgnoredEvent(TrainerEvent ignored, States... states) : event(ignored) {
    ((in[static_cast<std::size_t>(states)] = true), ...);
  }
};

inline constexpr auto kIgnoredEvents = [] {
  using enum TrainerState;
  using E = TrainerEvent;
  return std::to_array<IgnoredEvent>({
      IgnoredEvent(E::begin_sync, preparing, syncing, freezing, put_off, rehearsing, frozen,
                   verified, copied, depart_failed, departing, departed, lost, standby,
                   standby_rehearsing, standby_verified, granting, granted, first_step,
                   first_step_done, retired),
      IgnoredEvent(E::freeze, training, preparing, rehearsing, frozen, verified, copied,
                   start_failed, depart_failed, departing, departed, lost, standby,
                   standby_rehearsing, standby_verified, granting, granted, first_step,
                   first_step_done, retired),
      IgnoredEvent(E::release, departing, granting, granted, retired),
      IgnoredEvent(E::retire, training, departing, standby, standby_rehearsing, standby_verified,
                   granting),
      IgnoredEvent(E::grant_fits, training, preparing, syncing, freezing, put_off, rehearsing,
                   frozen, verified, copied, start_failed, depart_failed, departing, departed, lost,
                   standby, standby_rehearsing, granting, granted, first_step, first_step_done,
                   retired),
      IgnoredEvent(E::grant_of_another_state, training, preparing, syncing, freezing, put_off,
                   rehearsing, frozen, verified, copied, start_failed, depart_failed, departing,
                   departed, lost, granting, granted, first_step, first_step_done, retired),
      IgnoredEvent(E::depart, training, preparing, syncing, freezing, put_off, rehearsing, frozen,
                   copied, start_failed, depart_failed, departing, departed, lost, standby,
                   standby_rehearsing, standby_verified, granting, granted, first_step,
                   first_step_done, retired),
      IgnoredEvent(E::depart_refused, training, departing, departed, lost, standby,
                   standby_rehearsing, standby_verified, granting, retired),
      IgnoredEvent(E::arrived, training, preparing, syncing, freezing, put_off, rehearsing, frozen,
                   verified, copied, start_failed, depart_failed, departing, standby,
                   standby_rehearsing, standby_verified, granting, granted, first_step,
                   first_step_done, retired),
  });
}();

[[nodiscard]] constexpr bool is_ignored(TrainerState in, TrainerEvent event) {
  for (const auto& ignored : kIgnoredEvents) {
    if (ignored.event == event) return ignored.in[static_cast<std::size_t>(in)];
  }
  return false;
}

/// Whether the process is not the job yet: it dies with its agent, and takes no step that counts.
[[nodiscard]] constexpr bool is_standby(TrainerState state) {
  return state == TrainerState::standby || state == TrainerState::standby_rehearsing ||
         state == TrainerState::standby_verified || state == TrainerState::granting;
}
/// Whether the process may be dumped at any moment, so that it must not send anything.
[[nodiscard]] constexpr bool is_departed(TrainerState state) {
  return state == TrainerState::departed || state == TrainerState::lost;
}
/// Whether it is a source whose training thread must be parked until the agent's next message.
[[nodiscard]] constexpr bool must_park(TrainerState state) {
  return state == TrainerState::freezing || state == TrainerState::frozen ||
         state == TrainerState::verified || state == TrainerState::depart_failed ||
         state == TrainerState::departing || is_departed(state);
}
/// Whether only the agent can let it go on, because the agent was told that it is frozen or because
/// its memory is with a custodian.
[[nodiscard]] constexpr bool is_bound(TrainerState state) {
  return must_park(state) && state != TrainerState::freezing;
}
/// Whether it may take a step, and that step is a step of the job.
[[nodiscard]] constexpr bool may_step(TrainerState state) {
  return state == TrainerState::training || state == TrainerState::preparing ||
         state == TrainerState::syncing || state == TrainerState::put_off ||
         state == TrainerState::copied || state == TrainerState::rehearsing ||
         state == TrainerState::start_failed || state == TrainerState::granted ||
         state == TrainerState::first_step;
}

// The predicates of the static_asserts. A test breaks the table and checks which predicate finds
// it.
constexpr bool a_standby_steps_only_by_a_fitting_grant(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool takes = rule.then == TrainerAction::take_grant;
    if (takes != (rule.to == TrainerState::granting)) return false;
    if (takes &&
        (rule.from != TrainerState::standby_verified || rule.on != TrainerEvent::grant_fits)) {
      return false;
    }
    const bool leaves = is_standby(rule.from) && !is_standby(rule.to);
    if (leaves && (rule.from != TrainerState::granting || rule.on != TrainerEvent::grant_taken ||
                   rule.to != TrainerState::granted)) {
      return false;
    }
    if (rule.to == TrainerState::granted && rule.from != rule.to && !leaves) return false;
    const bool moves =
        rule.then == TrainerAction::unpark || rule.then == TrainerAction::end_migration ||
        rule.then == TrainerAction::stop_watching || rule.then == TrainerAction::run_first_step;
    if (is_standby(rule.from) && moves && !leaves) return false;
  }
  return true;
}
constexpr bool a_state_is_held_only_when_it_was_verified(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    if (rule.to != TrainerState::standby_verified || rule.from == TrainerState::standby_verified)
      continue;
    const bool by_engine = rule.from == TrainerState::standby;
    const bool by_process = rule.from == TrainerState::departed;
    if (by_engine ? rule.on != TrainerEvent::state_verified
                  : !by_process || rule.on != TrainerEvent::memory_arrived) {
      return false;
    }
  }
  return true;
}
constexpr bool the_first_step_is_waited_for(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool ordered = rule.on == TrainerEvent::release || rule.on == TrainerEvent::retire;
    const bool first = rule.from == TrainerState::granted ||
                       rule.from == TrainerState::first_step ||
                       rule.from == TrainerState::first_step_done;
    if (rule.then == TrainerAction::stop_watching && (!first || rule.on != TrainerEvent::release)) {
      return false;
    }
    if (first && rule.to == TrainerState::training && rule.on != TrainerEvent::release)
      return false;
    if (rule.from == TrainerState::granted && rule.to == TrainerState::training) return false;
    if (rule.from == TrainerState::first_step_done && rule.to != rule.from && !ordered)
      return false;
    if (rule.to == TrainerState::first_step_done && rule.from == TrainerState::first_step &&
        rule.then != TrainerAction::park) {
      return false;
    }
  }
  return rule_for(rules, TrainerState::first_step, TrainerEvent::stepped).has_value();
}
constexpr bool a_bound_trainer_goes_on_only_by_its_agents_message(
    std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    if (!is_bound(rule.from)) continue;
    const bool moves =
        rule.then == TrainerAction::unpark || rule.then == TrainerAction::stop_watching ||
        rule.then == TrainerAction::run_first_step || rule.then == TrainerAction::step_once;
    if (moves) return false;
    const bool ordered =
        rule.on == TrainerEvent::release || rule.on == TrainerEvent::memory_recalled;
    if ((may_step(rule.to) || rule.then == TrainerAction::end_migration) && !ordered) return false;
    if (rule.on == TrainerEvent::freeze_put_off) return false;  // its agent counts on the freeze
  }
  return true;
}
/// The source and the standby take the same one step, and both are parked after it before anything
/// else happens to them. The standby's step does not count for the job.
constexpr bool a_rehearsal_is_one_step_of_each(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool once = rule.then == TrainerAction::step_once;
    const bool due = rule.on == TrainerEvent::rehearsal_due;
    const bool here = rule.from == TrainerState::freezing && rule.to == TrainerState::rehearsing;
    const bool there =
        rule.from == TrainerState::standby && rule.to == TrainerState::standby_rehearsing;
    if (once != due || once != (here || there)) return false;
    const bool enters =
        rule.to == TrainerState::rehearsing || rule.to == TrainerState::standby_rehearsing;
    if (enters && !once && rule.from != rule.to) return false;
    const bool is_rehearsed = rule.on == TrainerEvent::rehearsed;
    if (rule.from == TrainerState::rehearsing && rule.to != rule.from &&
        rule.on != TrainerEvent::release && rule.on != TrainerEvent::retire &&
        !(is_rehearsed && rule.to == TrainerState::freezing)) {
      return false;
    }
    if (rule.from == TrainerState::standby_rehearsing && rule.to != rule.from &&
        !(is_rehearsed && rule.to == TrainerState::standby)) {
      return false;
    }
  }
  return rule_for(rules, TrainerState::rehearsing, TrainerEvent::rehearsed).has_value() &&
         rule_for(rules, TrainerState::standby_rehearsing, TrainerEvent::rehearsed).has_value();
}
constexpr bool memory_is_given_only_when_digests_are_equal(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool departs = rule.then == TrainerAction::depart;
    if (departs != (rule.to == TrainerState::departing)) return false;
    if (departs && (rule.from != TrainerState::verified || rule.on != TrainerEvent::depart)) {
      return false;
    }
    if (rule.to == TrainerState::verified && rule.from != rule.to &&
        (rule.from != TrainerState::frozen || rule.on != TrainerEvent::digests_equal)) {
      return false;
    }
    // Without its memory it must not go on.
    const bool away = rule.from == TrainerState::departing || rule.from == TrainerState::departed;
    if (away && may_step(rule.to) && rule.on != TrainerEvent::memory_recalled) return false;
  }
  return true;
}
constexpr bool what_is_lost_or_retired_never_steps_again(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool done = rule.from == TrainerState::retired;
    if (done && rule.to != TrainerState::retired) return false;
    if (rule.from == TrainerState::lost && rule.to != TrainerState::lost &&
        rule.to != TrainerState::retired) {
      return false;
    }
    if ((rule.then == TrainerAction::retire) != (rule.to == TrainerState::retired)) return false;
    if (rule.then == TrainerAction::retire && rule.on != TrainerEvent::retire) return false;
  }
  return true;
}
/// Whether a trainer whose state was copied is the job all the time: it comes there before its
/// agent was told of a freeze, trains on, and nothing but its agent's word ends that.
constexpr bool a_copied_trainer_stays_the_job(std::span<const TrainerRule> rules) {
  using enum TrainerState;
  for (const auto& rule : rules) {
    const bool enters = rule.to == copied && rule.from != copied;
    if (enters != (rule.on == TrainerEvent::state_copied)) return false;
    if (enters && (rule.from != freezing || rule.then != TrainerAction::unpark)) return false;
    const bool goes = rule.on == TrainerEvent::release && rule.to == training;
    const bool ends = rule.on == TrainerEvent::retire && rule.to == retired;
    if (rule.from == copied && rule.to != copied && !goes && !ends) return false;
  }
  return may_step(copied) && !must_park(copied);
}
/// Whether each event of an agent either has a rule or is ignored on purpose, in every state.
constexpr bool every_message_of_an_agent_has_an_answer(std::span<const TrainerRule> rules) {
  for (std::size_t state = 0; state < kTrainerStates; ++state) {
    for (std::size_t event = 0; event < kAgentEvents; ++event) {
      const auto from = static_cast<TrainerState>(state);
      const auto on = static_cast<TrainerEvent>(event);
      if (rule_for(rules, from, on).has_value() == is_ignored(from, on)) return false;
    }
  }
  return true;
}

static_assert(a_standby_steps_only_by_a_fitting_grant(kTrainerRules), "invariants 1 and 4");
static_assert(a_state_is_held_only_when_it_was_verified(kTrainerRules), "invariant 5");
static_assert(the_first_step_is_waited_for(kTrainerRules), "invariant 2");
static_assert(a_bound_trainer_goes_on_only_by_its_agents_message(kTrainerRules), "invariant 3");
static_assert(a_rehearsal_is_one_step_of_each(kTrainerRules), "invariants 1 and 2");
static_assert(memory_is_given_only_when_digests_are_equal(kTrainerRules), "invariant 5");
static_assert(a_copied_trainer_stays_the_job(kTrainerRules), "invariants 1 and 2");
static_assert(what_is_lost_or_retired_never_steps_again(kTrainerRules), "invariants 1 and 6");
static_assert(every_pair_is_listed_once(kTrainerRules));
static_assert(every_message_of_an_agent_has_an_answer(kTrainerRules));

}  // namespace cardswap
