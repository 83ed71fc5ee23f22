/// Method: breadth first through every state of the real sides (SourceSide, TargetSide, and a
/// TrainerSide at each) in a small world: one migration; at most kInFlight messages under way,
/// which overtake each other; a stale grant of an older migration; and up to `faults` of: a message
/// lost or delivered twice, a crash of either agent (between any two acts too), a journal that
/// refuses or is gone, a trainer's death, bytes damaged on the way, a host that the operator stops,
/// a `--force` while the other side's process lives. Time-outs, cancellations, any other `--force`,
/// a freeze that the source's engine puts off and a step that both trainers rehearse may come at
/// any moment and cost nothing. A program may train on after it was told that its job moved. Every
/// state is held against the invariants of docs/architecture.md; from every state a settled one
/// must be reachable without a further fault. Then single rules are spoiled, and the same search
/// must find what they prevent.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/support/model/explorer.h"
#include "tests/unit/handover/world.h"

namespace cardswap::handover::model {
namespace {

using ::testing::StartsWith;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kFaults = 1;
constexpr std::size_t kStatesMin = 500'000;
constexpr std::size_t kStoreStatesMin = 10'000;
#else
constexpr int kFaults = 2;
constexpr std::size_t kStatesMin = 5'000'000;
constexpr std::size_t kStoreStatesMin = 100'000;
#endif

TEST(HandoverModel, HoldsEveryInvariantInEveryStateAndCanAlwaysSettle) {
  Options options;
  options.faults = kFaults;
  const auto found = cardswap::model::explore<Step>(options);
  fmt::print("model_states {} model_violations {} depth {} model_unsettled {} model_steps {}\n",
             found.states, found.violations, found.depth, found.unsettled, found.steps);
  EXPECT_EQ(found.violations, 0U) << found.violation;
  EXPECT_EQ(found.unsettled, 0U) << found.violation;
  EXPECT_GE(found.states, kStatesMin);
}

/// The same world for a snapshot: the target keeps the state for a store, and the job does not
/// move. It trains on once its state is verified, or once the engine has copied it.
TEST(HandoverModel, LetsATrainerGoOnWhoseStateGoesToAStore) {
  Options options;
  options.faults = kFaults;
  options.to_store = options.copies = true;
  const auto found = cardswap::model::explore<Step>(options);
  fmt::print("store_states {} violations {} depth {} unsettled {}\n", found.states,
             found.violations, found.depth, found.unsettled);
  EXPECT_EQ(found.violations, 0U) << found.violation;
  EXPECT_EQ(found.unsettled, 0U) << found.violation;
  EXPECT_GE(found.states, kStoreStatesMin);
}

/// The tables with one rule that is not theirs.
struct Spoiled {
  std::vector<SourceRule> source{kSourceRules.begin(), kSourceRules.end()};
  std::vector<TargetRule> target{kTargetRules.begin(), kTargetRules.end()};
  std::vector<TrainerRule> trainer{kTrainerRules.begin(), kTrainerRules.end()};
  std::function<void(Effects&)> reorder;
  bool runtime_holds = true;

  static Spoiled with(const SourceRule& rule) {
    Spoiled result;
    replace(result.source, rule);
    return result;
  }
  static Spoiled with(const TargetRule& rule) {
    Spoiled result;
    replace(result.target, rule);
    return result;
  }
  static Spoiled with(const TrainerRule& rule) {
    Spoiled result;
    replace(result.trainer, rule);
    return result;
  }
  static Spoiled with(const TrainerRule& rule, const TrainerRule& another) {
    auto result = with(rule);
    replace(result.trainer, another);
    return result;
  }
  template <class Rules, class One>
  static void replace(Rules& rules, const One& rule) {
    std::erase_if(rules,
                  [&](const One& old) { return old.from == rule.from && old.on == rule.on; });
    rules.push_back(rule);
  }
};

struct Mutation {
  const char* name;
  Spoiled rules;
  const char* breaks;  ///< the invariant, or "nothing settles"
  int faults = 1;
  bool to_store = false;
  bool copies = false;
};
/// As lists of tests show it.
void PrintTo(const Mutation& mutation, std::ostream* out) { *out << mutation.name; }

void grant_first(Effects& effects) {
  const auto is = [&](std::size_t i, Effect::Type type) { return effects.begin()[i].type == type; };
  if (effects.size() == 2 && is(0, Effect::Type::journal) && is(1, Effect::Type::send) &&
      effects.begin()[1].message.kind == Message::Kind::grant) {
    std::swap(effects.begin()[0], effects.begin()[1]);
  }
}

void do_not_tell_the_lower_one(Effects& effects) {
  Effects rest;
  for (const auto& effect : effects) {
    const bool higher =
        effect.message.kind == Message::Kind::drop && effect.message.epoch > kGranted;
    if (effect.type != Effect::Type::send || !higher) rest.add(effect);
  }
  effects = rest;
}
/// What a target says by itself: everything else that it sends answers somebody, or asks.
void do_not_tell_the_source(Effects& effects) {
  if (effects.size() == 1 && effects.begin()->message.kind == Message::Kind::status) effects = {};
}

Spoiled without_asking() {
  Spoiled result;
  std::erase_if(result.target,
                [](const TargetRule& rule) { return rule.then == TargetAction::ask; });
  return result;
}
Spoiled without(TargetEvent event) {
  Spoiled result;
  std::erase_if(result.target, [&](const TargetRule& rule) { return rule.on == event; });
  return result;
}
Spoiled without(TargetState from, TargetEvent event) {
  Spoiled result;
  std::erase_if(result.target,
                [&](const TargetRule& rule) { return rule.from == from && rule.on == event; });
  return result;
}
Spoiled without(SourceEvent event) {
  Spoiled result;
  std::erase_if(result.source, [&](const SourceRule& rule) { return rule.on == event; });
  return result;
}
Spoiled without(SourceState from, SourceEvent event) {
  Spoiled result;
  std::erase_if(result.source,
                [&](const SourceRule& rule) { return rule.from == from && rule.on == event; });
  return result;
}
Spoiled with_a_runtime_that_lets_it_train_on() {
  Spoiled result;
  result.runtime_holds = false;
  return result;
}
Spoiled acting(void (*reorder)(Effects&)) {
  Spoiled result;
  result.reorder = reorder;
  return result;
}

std::vector<Mutation> mutations() {
  using S = SourceState;
  using T = TargetState;
  using E = SourceEvent;
  using F = TargetEvent;
  using R = TrainerState;
  using W = TrainerEvent;
  return {
      {"GrantBeforeTheJournal", acting(grant_first), "4: "},
      {"ReleaseAfterTheCommit",
       Spoiled::with(SourceRule{S::committed, E::failed, S::aborting, SourceAction::release}),
       "4: "},
      {"ReclaimFromASilentTarget",
       Spoiled::with(
           SourceRule{S::committed, E::target_silent, S::aborting, SourceAction::reclaim}),
       "1: "},
      {"ReclaimFromATargetThatKnowsNothing",
       Spoiled::with(
           SourceRule{S::committed, E::target_unknown, S::aborting, SourceAction::reclaim}),
       "1: "},
      {"ReclaimUnderTheOldEpoch",
       Spoiled::with(
           SourceRule{S::committed, E::target_is_gone, S::aborting, SourceAction::release}),
       "4: "},
      {"AGrantOfAnOldEpochIsTaken",
       Spoiled::with(
           TargetRule{T::verified, F::grant_of_another_epoch, T::granted, TargetAction::grant}),
       "4: "},
      {"CommitWithoutEqualDigests",
       Spoiled::with(
           SourceRule{S::verifying, E::digests_differ, S::committed, SourceAction::grant}),
       "5: "},
      {"RetireBeforeTheFirstStep",
       Spoiled::with(SourceRule{S::committed, E::target_resumed, S::resumed, SourceAction::retire}),
       "6: "},
      {"GoOnBeforeTheFirstStepIsRecorded",
       Spoiled::with(TargetRule{T::granted, F::standby_resumed, T::resumed, TargetAction::let_on}),
       "2: "},
      {"FailedBeforeTheProcessIsGone",
       Spoiled::with(TargetRule{T::granted, F::standby_failed, T::failed, TargetAction::kill}),
       "1: "},
      {"ARestartedTargetForgetsItsGrant",
       Spoiled::with(TargetRule{T::granted, F::restarted, T::failed, TargetAction::none}), "1: "},
      {"ATargetInDoubtGuesses",
       Spoiled::with(TargetRule{T::verified, F::source_silent, T::granted, TargetAction::grant}),
       "4: "},
      {"ATargetInDoubtDoesNotAsk", without_asking(), "nothing settles"},
      {"ARuntimeLetsAProgramTrainOnAfterItsJobMoved", with_a_runtime_that_lets_it_train_on(),
       "1: "},
      {"NobodyEndsAProgramThatStays", without(E::trainer_stays), "nothing settles"},
      {"ATargetDoesNotObeyAHigherEpoch", without(F::taken_back), "nothing settles"},
      {"ACompletedTargetDoesNotObeyAHigherEpoch", without(T::completed, F::taken_back),
       "nothing settles"},
      {"ASupersededTargetStepsOn",
       Spoiled::with(TargetRule{T::completed, F::taken_back, T::superseded, TargetAction::none}),
       "1: "},
      {"ARestartedTargetLetsTheSupersededStepOn", without(T::superseded, F::restarted), "1: ", 2},
      {"ASupersededTrainerThatEndedIsNotTold", without(T::superseded, F::standby_ended),
       "nothing settles"},
      {"ASourceDoesNotTellTheLowerOne", acting(do_not_tell_the_lower_one), "nothing settles"},
      {"ATargetThatWasForcedDoesNotTellItsSource", acting(do_not_tell_the_source),
       "nothing settles"},
      {"ASourceDoesNotObeyAHigherEpoch", without(E::target_outranks), "nothing settles"},
      {"ASupersededSourceStepsOn",
       Spoiled::with(SourceRule{S::aborted, E::target_outranks, S::superseded, SourceAction::none}),
       "1: "},
      {"AFrozenTrainerIsPutOff",
       Spoiled::with(
           TrainerRule{R::verified, W::freeze_put_off, R::put_off, TrainerAction::unpark}),
       "1: "},
      {"ATrainerDoesNotStandBehindItsFirstStep",
       Spoiled::with(TrainerRule{R::first_step, W::stepped, R::training, TrainerAction::report}),
       "2: "},
      {"AStandbyStepsBeforeItIsGrantedTheJob",
       Spoiled::with(
           TrainerRule{R::standby, W::state_verified, R::first_step, TrainerAction::report}),
       "4: "},
      {"AFrozenTrainerDoesNotObeyItsRelease",
       Spoiled::with(TrainerRule{R::frozen, W::release, R::frozen, TrainerAction::none}),
       "nothing settles"},
      {"AStandbyTrainsOnAfterARehearsedStep",
       Spoiled::with(TrainerRule{R::standby_rehearsing, W::rehearsed, R::training,
                                 TrainerAction::stop_watching}),
       "1: "},
      {"AStandbyIsGrantedTheJobForARehearsedStep",
       Spoiled::with(
           TrainerRule{R::standby_rehearsing, W::rehearsed, R::first_step, TrainerAction::report}),
       "1: "},
      {"ATrainerWhoseBytesWereComparedRehearses",
       Spoiled::with(
           TrainerRule{R::verified, W::rehearsal_due, R::rehearsing, TrainerAction::step_once},
           TrainerRule{R::standby_verified, W::rehearsal_due, R::standby_verified,
                       TrainerAction::step_once}),
       "1: "},
      {"ATrainerThatRehearsesDoesNotObeyItsRelease",
       Spoiled::with(TrainerRule{R::rehearsing, W::release, R::rehearsing, TrainerAction::none}),
       "nothing settles"},
      {"AFrozenTrainerDoesNotObeyThatItsJobMoved",
       Spoiled::with(TrainerRule{R::verified, W::retire, R::verified, TrainerAction::none}),
       "nothing settles"},
      {"ASnapshotIsGranted",
       Spoiled::with(
           SourceRule{S::verifying, E::state_captured, S::committed, SourceAction::grant}),
       "nothing settles", 1, true},
      {"ASnapshotOfOtherBytesIsCaptured",
       Spoiled::with(SourceRule{S::verifying, E::digests_differ, S::captured,
                                SourceAction::release_captured}),
       "5: ", 1, true},
      {"ATrainerThatMovesIsCopied", {}, "1: ", 1, false, true},
      {"ACopiedTrainerDoesNotObeyItsRelease",
       Spoiled::with(TrainerRule{R::copied, W::release, R::copied, TrainerAction::none}),
       "nothing settles", 1, true, true},
      {"ASnapshotWhoseKeeperEndsIsWaitedFor", without(S::captured, E::failed), "nothing settles", 1,
       true},
  };
}

class HandoverMutation : public ::testing::TestWithParam<Mutation> {};

TEST_P(HandoverMutation, IsFoundByTheShortestWay) {
  const auto& mutation = GetParam();
  Options options;
  options.source_rules = mutation.rules.source;
  options.target_rules = mutation.rules.target;
  options.trainer_rules = mutation.rules.trainer;
  options.reorder = mutation.rules.reorder;
  options.runtime_holds = mutation.rules.runtime_holds;
  options.faults = mutation.faults;
  options.to_store = mutation.to_store;
  options.copies = mutation.copies;
  const bool safety = mutation.breaks != std::string("nothing settles");
  const auto found = cardswap::model::explore<Step>(options, safety);
  EXPECT_THAT(found.violation, StartsWith(mutation.breaks));
  fmt::print("{} breaks {}states {} steps {} unsettled {}\n", mutation.name, found.violation,
             found.states, found.steps, found.unsettled);
}

INSTANTIATE_TEST_SUITE_P(OneRule, HandoverMutation, ::testing::ValuesIn(mutations()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cardswap::handover::model
