#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "migrator/core/named.h"
#include "migrator/core/rule_table.h"

/// The trainer's half of a migration as a table, beside the two of agent/handover. Pure; the
/// compiler proves what must never happen (the static_asserts below). `TrainerSide` reads it.
///
// clang-format off
/// A source:   training -> preparing -> syncing -> freezing -> frozen -> equal -> retired
///                                         ^          |        (any of them: release -> training)
///                                         +- put_off +
/// by CRIU:    equal -> departing -> departed -> (restored elsewhere) holding
/// A standby:  standby -> holding -> granting -> granted -> trial -> recording -> training
// clang-format on
namespace cardswap {

enum class TrainerState : std::uint8_t {
  training,   ///< the job's process, in no migration
  preparing,  ///< a migration is asked for; its engine begins at one of the next boundaries
  syncing,    ///< the engine sends while the job trains
  freezing,   ///< a freeze is asked for: it stands, or will, and its engine has not said it holds
  put_off,    ///< it goes on: the freeze would have been too long; its engine offers the next one
  frozen,     ///< it stands and its agent knows
  equal,      ///< every byte is the same on both sides
  given_up,   ///< the engine never began; the job trains and waits for its release
  stranded,   ///< it stands without an engine: it could not depart, and waits for its release
  departing,  ///< its memory is being given to its keeper
  departed,   ///< it may be dumped at any moment
  lost,       ///< its memory is gone: this process takes no step any more
  standby,    ///< it stands, or will when it has warmed up, and holds no whole state
  holding,    ///< a standby, or a process that was restored, with a whole state
  granting,   ///< it takes the grant; its engine ends
  granted,    ///< the job is its own; the loop is about to go on
  trial,      ///< its first own step is under way
  recording,  ///< it stands behind its first step until the agent has recorded that
  retired,    ///< the job is elsewhere: for good
};
constexpr TrainerState last_of(TrainerState) { return TrainerState::retired; }
inline constexpr std::size_t kTrainerStates = kCountOf<TrainerState>;

enum class TrainerWord : std::uint8_t {
  // its agent's
  begin_sync,
  freeze,
  release,
  retire,
  grant_fits,
  grant_of_another_state,  ///< than it holds
  depart,
  depart_too_early,  ///< or of a migration to a standby
  arrived,
  // its engine's
  freeze_offered,
  freeze_put_off,  ///< before the agent was told that it is frozen
  freeze_holds,
  digests_equal,
  state_verified,
  // its own thread's
  stands_by,  ///< the agent welcomed it as a standby
  engine_began,
  engine_did_not_begin,
  resumed,
  stepped,  ///< its first own step is done
  // what became of an act
  memory_given,
  memory_kept,
  memory_lost,
  memory_came_back,
  memory_arrived,
  grant_taken,
  grant_not_taken,
};
constexpr TrainerWord last_of(TrainerWord) { return TrainerWord::grant_not_taken; }
inline constexpr std::size_t kTrainerWords = kCountOf<TrainerWord>;
/// The first of them.
inline constexpr std::size_t kAgentWords = static_cast<std::size_t>(TrainerWord::arrived) + 1;

enum class TrainerAct : std::uint8_t {
  none,
  look,        ///< at boundaries, from the next one on
  park,        ///< at the next boundary
  go_on,       ///< from the boundary at which it stands
  let_go,      ///< the engine ends and the job goes on; answered by Released
  answer,      ///< Released, and nothing else is done
  report,      ///< to the agent, what the word says
  refuse,      ///< Failed, with what is wrong with the word
  lose,        ///< Failed{lost}
  retire,      ///< the loop ends
  depart,      ///< ends in memory_given, memory_kept or memory_lost
  recall,      ///< ends in memory_came_back, or stays as it is
  arrive,      ///< ends in memory_arrived, or stays as it is
  take_grant,  ///< ends in grant_taken or grant_not_taken
  let_step,    ///< the granted loop goes on, and its boundaries are looked at
  train_on,    ///< behind the first step; nobody looks at its boundaries any more
};

struct TrainerRule {
  TrainerState from;
  TrainerWord on;
  TrainerState to;
  TrainerAct then;
};

inline constexpr auto kTrainerRules = [] {
  using enum TrainerState;
  using enum TrainerWord;
  using Act = TrainerAct;
  return std::to_array<TrainerRule>({
      // A source, asked ...
      {training, begin_sync, preparing, Act::look},
      {given_up, begin_sync, preparing, Act::look},
      {preparing, engine_began, syncing, Act::none},
      {preparing, engine_did_not_begin, given_up, Act::refuse},
      {syncing, freeze_offered, syncing, Act::report},
      {freezing, freeze_offered, freezing, Act::report},
      // ... frozen, perhaps more than once ...
      {syncing, freeze, freezing, Act::park},
      {put_off, freeze, freezing, Act::park},
      {freezing, freeze, freezing, Act::park},
      {freezing, freeze_put_off, put_off, Act::go_on},
      {put_off, freeze_offered, freezing, Act::park},
      {freezing, freeze_holds, frozen, Act::report},
      {frozen, digests_equal, equal, Act::report},
      // ... and let go, or gone.
      {training, release, training, Act::answer},
      {preparing, release, training, Act::let_go},
      {syncing, release, training, Act::let_go},
      {freezing, release, training, Act::let_go},
      {put_off, release, training, Act::let_go},
      {frozen, release, training, Act::let_go},
      {equal, release, training, Act::let_go},
      {given_up, release, training, Act::let_go},
      {stranded, release, training, Act::let_go},
      {preparing, retire, retired, Act::retire},
      {syncing, retire, retired, Act::retire},
      {freezing, retire, retired, Act::retire},
      {put_off, retire, retired, Act::retire},
      {frozen, retire, retired, Act::retire},
      {equal, retire, retired, Act::retire},
      {given_up, retire, retired, Act::retire},
      {stranded, retire, retired, Act::retire},
      {departed, retire, retired, Act::retire},
      {lost, retire, retired, Act::retire},
      {granted, retire, retired, Act::retire},
      {trial, retire, retired, Act::retire},
      {recording, retire, retired, Act::retire},
      {retired, retire, retired, Act::retire},
      // The process goes itself.
      {equal, depart, departing, Act::depart},
      {preparing, depart_too_early, preparing, Act::refuse},
      {syncing, depart_too_early, syncing, Act::refuse},
      {freezing, depart_too_early, freezing, Act::refuse},
      {put_off, depart_too_early, put_off, Act::refuse},
      {frozen, depart_too_early, frozen, Act::refuse},
      {equal, depart_too_early, equal, Act::refuse},
      {given_up, depart_too_early, given_up, Act::refuse},
      {stranded, depart_too_early, stranded, Act::refuse},
      {granted, depart_too_early, granted, Act::refuse},
      {trial, depart_too_early, trial, Act::refuse},
      {recording, depart_too_early, recording, Act::refuse},
      {departing, memory_given, departed, Act::report},
      {departing, memory_kept, stranded, Act::refuse},
      {departing, memory_lost, lost, Act::lose},
      {departed, release, departed, Act::recall},
      {departed, memory_came_back, training, Act::let_go},
      {departed, arrived, departed, Act::arrive},
      {departed, memory_arrived, holding, Act::report},
      {lost, release, lost, Act::lose},
      {lost, arrived, lost, Act::lose},
      // A standby.
      {training, stands_by, standby, Act::park},
      {standby, state_verified, holding, Act::report},
      {holding, state_verified, holding, Act::report},
      {standby, release, standby, Act::answer},
      {holding, release, holding, Act::answer},
      {standby, grant_of_another_state, standby, Act::refuse},
      {holding, grant_of_another_state, holding, Act::refuse},
      {holding, grant_fits, granting, Act::take_grant},
      {granting, grant_taken, granted, Act::let_step},
      {granting, grant_not_taken, standby, Act::refuse},
      {granted, resumed, trial, Act::report},
      {trial, stepped, recording, Act::park},
      {trial, release, training, Act::train_on},
      {recording, release, training, Act::train_on},
  });
}();

/// An agent's word and the states in which it is late or for another: nothing is done, nothing
/// said.
struct IgnoredWord {
  TrainerWord word;
  std::array<bool, kTrainerStates> in{};

  template <class... States>
  constexpr explicit IgnoredWord(TrainerWord ignored, States... states) : word(ignored) {
    ((in[static_cast<std::size_t>(states)] = true), ...);
  }
};

inline constexpr auto kIgnoredWords = [] {
  using enum TrainerState;
  using W = TrainerWord;
  return std::to_array<IgnoredWord>({
      IgnoredWord(W::begin_sync, preparing, syncing, freezing, put_off, frozen, equal, stranded,
                  departing, departed, lost, standby, holding, granting, granted, trial, recording,
                  retired),
      IgnoredWord(W::freeze, training, preparing, frozen, equal, given_up, stranded, departing,
                  departed, lost, standby, holding, granting, granted, trial, recording, retired),
      IgnoredWord(W::release, departing, granting, granted, retired),
      IgnoredWord(W::retire, training, departing, standby, holding, granting),
      IgnoredWord(W::grant_fits, training, preparing, syncing, freezing, put_off, frozen, equal,
                  given_up, stranded, departing, departed, lost, standby, granting, granted, trial,
                  recording, retired),
      IgnoredWord(W::grant_of_another_state, training, preparing, syncing, freezing, put_off,
                  frozen, equal, given_up, stranded, departing, departed, lost, granting, granted,
                  trial, recording, retired),
      IgnoredWord(W::depart, training, preparing, syncing, freezing, put_off, frozen, given_up,
                  stranded, departing, departed, lost, standby, holding, granting, granted, trial,
                  recording, retired),
      IgnoredWord(W::depart_too_early, training, departing, departed, lost, standby, holding,
                  granting, retired),
      IgnoredWord(W::arrived, training, preparing, syncing, freezing, put_off, frozen, equal,
                  given_up, stranded, departing, standby, holding, granting, granted, trial,
                  recording, retired),
  });
}();

[[nodiscard]] constexpr bool is_ignored(TrainerState in, TrainerWord word) {
  for (const auto& ignored : kIgnoredWords) {
    if (ignored.word == word) return ignored.in[static_cast<std::size_t>(in)];
  }
  return false;
}

/// No process of the job's yet: it dies with its agent, and takes no step that counts.
[[nodiscard]] constexpr bool is_standby(TrainerState state) {
  return state == TrainerState::standby || state == TrainerState::holding ||
         state == TrainerState::granting;
}
/// It may be dumped: nothing may be sent.
[[nodiscard]] constexpr bool is_departed(TrainerState state) {
  return state == TrainerState::departed || state == TrainerState::lost;
}
/// A source whose training thread is to stand until its agent's next word.
[[nodiscard]] constexpr bool is_held(TrainerState state) {
  return state == TrainerState::freezing || state == TrainerState::frozen ||
         state == TrainerState::equal || state == TrainerState::stranded ||
         state == TrainerState::departing || is_departed(state);
}
/// Its agent was told that it stands, or its memory is not its own: nobody but the agent lets it go
/// on.
[[nodiscard]] constexpr bool is_bound(TrainerState state) {
  return is_held(state) && state != TrainerState::freezing;
}
/// A step that it takes is a step of the job.
[[nodiscard]] constexpr bool may_step(TrainerState state) {
  return state == TrainerState::training || state == TrainerState::preparing ||
         state == TrainerState::syncing || state == TrainerState::put_off ||
         state == TrainerState::given_up || state == TrainerState::granted ||
         state == TrainerState::trial;
}

/// What the asserts hold; a test spoils the table and sees which of them finds it.
constexpr bool a_standby_steps_only_by_a_fitting_grant(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool takes = rule.then == TrainerAct::take_grant;
    if (takes != (rule.to == TrainerState::granting)) return false;
    if (takes && (rule.from != TrainerState::holding || rule.on != TrainerWord::grant_fits)) {
      return false;
    }
    const bool leaves = is_standby(rule.from) && !is_standby(rule.to);
    if (leaves && (rule.from != TrainerState::granting || rule.on != TrainerWord::grant_taken ||
                   rule.to != TrainerState::granted)) {
      return false;
    }
    if (rule.to == TrainerState::granted && rule.from != rule.to && !leaves) return false;
    const bool moves = rule.then == TrainerAct::go_on || rule.then == TrainerAct::let_go ||
                       rule.then == TrainerAct::train_on || rule.then == TrainerAct::let_step;
    if (is_standby(rule.from) && moves && !leaves) return false;
  }
  return true;
}
constexpr bool a_state_is_held_only_when_it_was_verified(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    if (rule.to != TrainerState::holding || rule.from == TrainerState::holding) continue;
    const bool by_engine = rule.from == TrainerState::standby;
    const bool by_process = rule.from == TrainerState::departed;
    if (by_engine ? rule.on != TrainerWord::state_verified
                  : !by_process || rule.on != TrainerWord::memory_arrived) {
      return false;
    }
  }
  return true;
}
constexpr bool the_first_step_is_waited_for(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool word = rule.on == TrainerWord::release || rule.on == TrainerWord::retire;
    const bool first = rule.from == TrainerState::granted || rule.from == TrainerState::trial ||
                       rule.from == TrainerState::recording;
    if (rule.then == TrainerAct::train_on && (!first || rule.on != TrainerWord::release)) {
      return false;
    }
    if (first && rule.to == TrainerState::training && rule.on != TrainerWord::release) return false;
    if (rule.from == TrainerState::granted && rule.to == TrainerState::training) return false;
    if (rule.from == TrainerState::recording && rule.to != rule.from && !word) return false;
    if (rule.to == TrainerState::recording && rule.from == TrainerState::trial &&
        rule.then != TrainerAct::park) {
      return false;
    }
  }
  return rule_for(rules, TrainerState::trial, TrainerWord::stepped).has_value();
}
constexpr bool a_bound_trainer_goes_on_only_by_its_agents_word(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    if (!is_bound(rule.from)) continue;
    const bool moves = rule.then == TrainerAct::go_on || rule.then == TrainerAct::train_on ||
                       rule.then == TrainerAct::let_step;
    if (moves) return false;
    const bool word = rule.on == TrainerWord::release || rule.on == TrainerWord::memory_came_back;
    if ((may_step(rule.to) || rule.then == TrainerAct::let_go) && !word) return false;
    if (rule.on == TrainerWord::freeze_put_off) return false;  // its agent counts on the freeze
  }
  return true;
}
constexpr bool memory_is_given_only_when_digests_are_equal(std::span<const TrainerRule> rules) {
  for (const auto& rule : rules) {
    const bool departs = rule.then == TrainerAct::depart;
    if (departs != (rule.to == TrainerState::departing)) return false;
    if (departs && (rule.from != TrainerState::equal || rule.on != TrainerWord::depart)) {
      return false;
    }
    if (rule.to == TrainerState::equal && rule.from != rule.to &&
        (rule.from != TrainerState::frozen || rule.on != TrainerWord::digests_equal)) {
      return false;
    }
    // Without its memory it goes on in no way.
    const bool away = rule.from == TrainerState::departing || rule.from == TrainerState::departed;
    if (away && may_step(rule.to) && rule.on != TrainerWord::memory_came_back) return false;
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
    if ((rule.then == TrainerAct::retire) != (rule.to == TrainerState::retired)) return false;
    if (rule.then == TrainerAct::retire && rule.on != TrainerWord::retire) return false;
  }
  return true;
}
/// Obeyed, answered or ignored on purpose, and never two of them.
constexpr bool every_word_of_an_agent_has_an_answer(std::span<const TrainerRule> rules) {
  for (std::size_t state = 0; state < kTrainerStates; ++state) {
    for (std::size_t word = 0; word < kAgentWords; ++word) {
      const auto from = static_cast<TrainerState>(state);
      const auto on = static_cast<TrainerWord>(word);
      if (rule_for(rules, from, on).has_value() == is_ignored(from, on)) return false;
    }
  }
  return true;
}

static_assert(a_standby_steps_only_by_a_fitting_grant(kTrainerRules), "invariants 1 and 4");
static_assert(a_state_is_held_only_when_it_was_verified(kTrainerRules), "invariant 5");
static_assert(the_first_step_is_waited_for(kTrainerRules), "invariant 2");
static_assert(a_bound_trainer_goes_on_only_by_its_agents_word(kTrainerRules), "invariant 3");
static_assert(memory_is_given_only_when_digests_are_equal(kTrainerRules), "invariant 5");
static_assert(what_is_lost_or_retired_never_steps_again(kTrainerRules), "invariants 1 and 6");
static_assert(every_pair_is_listed_once(kTrainerRules));
static_assert(every_word_of_an_agent_has_an_answer(kTrainerRules));

[[nodiscard]] std::string_view to_string(TrainerState state);
[[nodiscard]] std::string_view to_string(TrainerWord word);

}  // namespace cardswap
