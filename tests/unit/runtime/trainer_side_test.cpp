#include "runtime/roles/trainer_side.h"

#include <gmock/gmock.h>

#include <functional>
#include <vector>

namespace cardswap {
namespace {

using S = TrainerState;
using W = TrainerEvent;
using A = TrainerAction;

const std::string kMigration = "m-1";
const Digest kRoot{{1}};
const Digest kOther{{2}};

/// One that has come to `state`, holding kRoot.
TrainerSide in(TrainerState state, ArrivalMode arrival = ArrivalMode::standby) {
  const bool alone = state == S::training;
  return {state, alone ? "" : kMigration, arrival, alone ? std::nullopt : std::optional(kRoot)};
}
std::vector<TrainerState> all_states() {
  std::vector<TrainerState> states;
  for (std::size_t i = 0; i < kTrainerStates; ++i) states.push_back(static_cast<TrainerState>(i));
  return states;
}
std::vector<channel::Message> words_of(const std::string& migration) {
  return {channel::BeginSync{.migration = migration},
          channel::Freeze{migration},
          channel::Release{migration},
          channel::Retire{migration},
          channel::Grant{migration, 2, kRoot},
          channel::Depart{.migration = migration},
          channel::Arrived{.migration = migration}};
}

TEST(TrainerRules, AnswerEveryWordOfAnAgentInEveryState) {
  std::size_t obeyed = 0;
  std::size_t ignored = 0;
  for (const auto state : all_states()) {
    for (std::size_t word = 0; word < kAgentEvents; ++word) {
      const auto on = static_cast<TrainerEvent>(word);
      const bool has_rule = rule_for(kTrainerRules, state, on).has_value();
      EXPECT_NE(has_rule, is_ignored(state, on)) << to_string(state) << " " << to_string(on);
      ++(has_rule ? obeyed : ignored);
    }
  }
  EXPECT_EQ(obeyed + ignored, kTrainerStates * kAgentEvents);
}

TEST(TrainerRules, LeadToEveryStateAndHearEveryWord) {
  for (const auto state : all_states()) {
    if (state == S::training) continue;
    EXPECT_TRUE(std::ranges::any_of(kTrainerRules, [&](const auto& rule) {
      return rule.to == state && rule.from != state;
    })) << to_string(state);
  }
  for (std::size_t i = 0; i < kTrainerEvents; ++i) {
    const auto word = static_cast<TrainerEvent>(i);
    EXPECT_TRUE(std::ranges::any_of(kTrainerRules, [&](const auto& rule) {
      return rule.on == word;
    })) << to_string(word);
  }
}

/// One rule that is not the table's, and which of the compiler's checks finds it.
struct Mutation {
  const char* name;
  TrainerRule rule;
  bool (*check)(std::span<const TrainerRule>);
};

std::vector<TrainerRule> with(const TrainerRule& rule) {
  std::vector<TrainerRule> rules(kTrainerRules.begin(), kTrainerRules.end());
  std::erase_if(rules, [&](const auto& old) { return old.from == rule.from && old.on == rule.on; });
  rules.push_back(rule);
  return rules;
}

std::vector<Mutation> mutations() {
  return {
      {"AStandbyTakesAnotherStatesGrant",
       {S::standby_verified, W::grant_of_another_state, S::granting, A::take_grant},
       a_standby_steps_only_by_a_fitting_grant},
      {"AStandbyTakesAGrantBeforeItHoldsAnything",
       {S::standby, W::grant_fits, S::granting, A::take_grant},
       a_standby_steps_only_by_a_fitting_grant},
      {"AReleasedStandbyTrains",
       {S::standby_verified, W::release, S::training, A::end_migration},
       a_standby_steps_only_by_a_fitting_grant},
      {"AStandbyGoesOnThoughItDiesWithItsAgent",
       {S::granting, W::grant_not_taken, S::granted, A::run_first_step},
       a_standby_steps_only_by_a_fitting_grant},
      {"AStandbyHoldsWhatNobodyVerified",
       {S::standby, W::stands_by, S::standby_verified, A::none},
       a_state_is_held_only_when_it_was_verified},
      {"ADepartedProcessHoldsWhatItDidNotFind",
       {S::departed, W::arrived, S::standby_verified, A::report},
       a_state_is_held_only_when_it_was_verified},
      {"TheFirstStepIsNotWaitedFor",
       {S::first_step, W::stepped, S::training, A::stop_watching},
       the_first_step_is_waited_for},
      {"TheFirstStepIsNotStoodBehind",
       {S::first_step, W::stepped, S::first_step_done, A::report},
       the_first_step_is_waited_for},
      {"TheFirstStepIsForgottenBeforeItBegan",
       {S::granted, W::release, S::training, A::stop_watching},
       the_first_step_is_waited_for},
      {"AnotherMigrationEndsTheWaitForTheRecord",
       {S::first_step_done, W::begin_sync, S::preparing, A::watch},
       the_first_step_is_waited_for},
      {"AFrozenTrainerIsPutOff",
       {S::frozen, W::freeze_put_off, S::put_off, A::unpark},
       a_bound_trainer_goes_on_only_by_its_agents_message},
      {"AStrandedTrainerBeginsAnew",
       {S::depart_failed, W::begin_sync, S::preparing, A::watch},
       a_bound_trainer_goes_on_only_by_its_agents_message},
      {"AFrozenTrainerRehearses",
       {S::frozen, W::rehearsal_due, S::rehearsing, A::step_once},
       a_bound_trainer_goes_on_only_by_its_agents_message},
      {"ASourceTakesMoreThanTheStepThatItRehearses",
       {S::rehearsing, W::rehearsed, S::put_off, A::none},
       a_rehearsal_is_one_step_of_each},
      {"AStandbyTrainsOnBehindARehearsedStep",
       {S::standby_rehearsing, W::rehearsed, S::training, A::stop_watching},
       a_rehearsal_is_one_step_of_each},
      {"AStandbyHoldsWhatItRehearsed",
       {S::standby_rehearsing, W::rehearsed, S::standby_verified, A::report},
       a_rehearsal_is_one_step_of_each},
      {"AStandbyThatHoldsAStateStepsOnFromIt",
       {S::standby_verified, W::rehearsal_due, S::standby_rehearsing, A::step_once},
       a_rehearsal_is_one_step_of_each},
      {"MemoryIsGivenBeforeDigestsAreEqual",
       {S::frozen, W::depart, S::departing, A::depart},
       memory_is_given_only_when_digests_are_equal},
      {"AFreezeIsTakenForEqualDigests",
       {S::freezing, W::freeze_holds, S::verified, A::report},
       memory_is_given_only_when_digests_are_equal},
      {"AProcessWithoutItsMemoryIsLetGo",
       {S::departed, W::release, S::training, A::end_migration},
       memory_is_given_only_when_digests_are_equal},
      {"ARetiredTrainerIsLetGo",
       {S::retired, W::release, S::training, A::end_migration},
       what_is_lost_or_retired_never_steps_again},
      {"ALostProcessIsLetGo",
       {S::lost, W::release, S::training, A::end_migration},
       what_is_lost_or_retired_never_steps_again},
      {"AReleaseRetires",
       {S::verified, W::release, S::retired, A::retire},
       what_is_lost_or_retired_never_steps_again},
      {"ATrainerIsCopiedAfterItsAgentCountsOnIt",
       {S::frozen, W::state_copied, S::copied, A::unpark},
       a_copied_trainer_stays_the_job},
      {"ACopiedTrainerStandsForEqualDigests",
       {S::copied, W::digests_equal, S::verified, A::report},
       a_copied_trainer_stays_the_job},
      {"ACopiedTrainerIsNotLetGo",
       {S::freezing, W::state_copied, S::copied, A::report},
       a_copied_trainer_stays_the_job},
      {"AnIgnoredWordIsObeyedAsWell",
       {S::training, W::freeze, S::freezing, A::park},
       every_message_of_an_agent_has_an_answer},
  };
}

class TrainerMutation : public ::testing::TestWithParam<Mutation> {};

TEST_P(TrainerMutation, IsFoundByItsCheck) {
  EXPECT_TRUE(GetParam().check(kTrainerRules));
  EXPECT_FALSE(GetParam().check(with(GetParam().rule)));
}

INSTANTIATE_TEST_SUITE_P(OneRule, TrainerMutation, ::testing::ValuesIn(mutations()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TrainerRules, AreNotWithoutOneThatAnswersAnAgent) {
  for (const auto& rule : kTrainerRules) {
    if (static_cast<std::size_t>(rule.on) >= kAgentEvents) continue;
    std::vector<TrainerRule> rest(kTrainerRules.begin(), kTrainerRules.end());
    std::erase_if(rest,
                  [&](const auto& one) { return one.from == rule.from && one.on == rule.on; });
    EXPECT_FALSE(every_message_of_an_agent_has_an_answer(rest))
        << to_string(rule.from) << " " << to_string(rule.on);
  }
}

TEST(TrainerSide, IgnoresWordsOfAnotherMigrationWhateverItIsIn) {
  for (const auto state : all_states()) {
    if (state == S::training) continue;
    for (const auto& word : words_of("m-2")) {
      if (std::holds_alternative<channel::BeginSync>(word) && state == S::start_failed) continue;
      if (std::holds_alternative<channel::Arrived>(word)) continue;  // it tells where it is
      auto side = in(state);
      EXPECT_EQ(side.on(word), A::none) << to_string(state) << " " << word.index();
      EXPECT_EQ(side.state(), state);
      EXPECT_EQ(side.migration(), kMigration);
    }
  }
}

TEST(TrainerSide, HearsNothingOfAnEngineThatIsOver) {
  for (const auto state : all_states()) {
    for (const auto word : {W::freeze_offered, W::freeze_put_off, W::freeze_holds, W::rehearsal_due,
                            W::state_copied, W::digests_equal, W::state_verified}) {
      auto side = in(state);
      EXPECT_EQ(side.on(word, "m-0"), A::none) << to_string(state) << " " << to_string(word);
      EXPECT_EQ(side.state(), state);
    }
  }
}

TEST(TrainerSide, WalksAsASourceUntilItIsRetired) {
  TrainerSide side;
  EXPECT_EQ(side.on(channel::BeginSync{.migration = kMigration}), A::watch);
  EXPECT_EQ(side.on(channel::Freeze{kMigration}), A::none) << "its engine has not begun";
  EXPECT_EQ(side.on(W::engine_began), A::none);
  EXPECT_EQ(side.on(W::freeze_offered, kMigration), A::report);
  EXPECT_EQ(side.on(channel::Freeze{kMigration}), A::park);
  EXPECT_EQ(side.on(W::freeze_holds, kMigration), A::report);
  EXPECT_EQ(side.verified(W::digests_equal, kMigration, kRoot), A::report);
  EXPECT_EQ(side.state_digest(), kRoot);
  EXPECT_EQ(side.on(channel::Retire{kMigration}), A::retire);
  for (const auto& word : words_of(kMigration)) {
    if (std::holds_alternative<channel::Retire>(word)) continue;
    EXPECT_EQ(side.on(word), A::none) << word.index();
  }
  EXPECT_EQ(side.state(), S::retired);
}

TEST(TrainerSide, OwesTheFreezeThatWasPutOffAndAsksItsAgentForNoOther) {
  auto side = in(S::freezing);
  EXPECT_EQ(side.on(W::freeze_put_off, kMigration), A::unpark);
  EXPECT_FALSE(must_park(side.state()));
  EXPECT_EQ(side.on(W::freeze_offered, kMigration), A::park) << "the agent is not told again";
  EXPECT_EQ(side.on(W::freeze_holds, kMigration), A::report);
  EXPECT_EQ(side.on(W::freeze_put_off, kMigration), A::none) << "the agent counts on it by now";
  EXPECT_EQ(side.state(), S::frozen);
}

TEST(TrainerSide, TrainsOnOnceItsStateIsCopiedAndIsTheJobUntilItsRelease) {
  auto side = in(S::freezing);
  EXPECT_EQ(side.on(W::state_copied, kMigration), A::unpark);
  EXPECT_TRUE(may_step(side.state()));
  EXPECT_FALSE(must_park(side.state()));
  for (const auto late : {W::freeze_offered, W::freeze_put_off, W::freeze_holds, W::state_copied}) {
    EXPECT_EQ(side.on(late, kMigration), A::none) << to_string(late);
  }
  EXPECT_EQ(side.on(channel::Freeze{kMigration}), A::none) << "a second one parks it no more";
  EXPECT_EQ(side.on(channel::BeginSync{.migration = "m-2"}), A::none) << "one at a time";
  EXPECT_EQ(side.verified(W::digests_equal, kMigration, kRoot), A::report);
  EXPECT_TRUE(may_step(side.state()));
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::end_migration);
  EXPECT_EQ(side.state(), S::training);
}

TEST(TrainerSide, IsFreeAfterAReleaseWhereverAsASourceItWas) {
  for (const auto state : {S::preparing, S::syncing, S::freezing, S::put_off, S::rehearsing,
                           S::frozen, S::verified, S::copied, S::start_failed, S::depart_failed}) {
    auto side = in(state);
    EXPECT_EQ(side.on(channel::Release{kMigration}), A::end_migration) << to_string(state);
    EXPECT_EQ(side.state(), S::training);
    EXPECT_TRUE(side.migration().empty());
    EXPECT_FALSE(side.state_digest());
    EXPECT_EQ(side.on(channel::Release{kMigration}), A::answer) << "a second one is answered, too";
    for (const auto late : {W::freeze_offered, W::freeze_put_off, W::freeze_holds}) {
      EXPECT_EQ(side.on(late, kMigration), A::none) << "its engine's " << to_string(late);
      EXPECT_EQ(side.state(), S::training);
    }
    EXPECT_EQ(side.on(channel::BeginSync{.migration = "m-2"}), A::watch);
  }
}

TEST(TrainerSide, RehearsesOneStepAndIsFrozenBehindIt) {
  auto side = in(S::freezing);
  EXPECT_EQ(side.on(W::rehearsal_due, kMigration), A::step_once);
  EXPECT_TRUE(may_step(side.state())) << "a step of the job";
  EXPECT_EQ(side.on(W::freeze_holds, kMigration), A::none) << "it does not stand";
  EXPECT_EQ(side.on(channel::Freeze{kMigration}), A::none) << "it will stand anyway";
  EXPECT_EQ(side.on(W::rehearsed), A::none);
  EXPECT_EQ(side.state(), S::freezing);
  EXPECT_EQ(side.on(W::freeze_holds, kMigration), A::report);
  EXPECT_EQ(side.on(W::rehearsal_due, kMigration), A::none) << "its agent counts on it";
}

TEST(TrainerSide, RehearsesAsAStandbyWithoutHoldingAnything) {
  auto side = in(S::standby);
  EXPECT_EQ(side.on(W::rehearsal_due), A::step_once);
  EXPECT_TRUE(is_standby(side.state())) << "effects are held back, and it dies with its agent";
  EXPECT_FALSE(may_step(side.state())) << "it is no step of the job";
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::refuse);
  EXPECT_EQ(side.verified(W::state_verified, kMigration, kRoot), A::none) << "it changes it";
  EXPECT_EQ(side.on(W::stepped), A::none);
  EXPECT_EQ(side.on(W::resumed), A::none);
  EXPECT_EQ(side.on(W::rehearsed), A::report);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::refuse) << "of what it had before";
  EXPECT_EQ(side.verified(W::state_verified, kMigration, kOther), A::report);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kOther}), A::take_grant);
}

TEST(TrainerSide, TakesOnlyAGrantForWhatItHolds) {
  TrainerSide side;
  EXPECT_EQ(side.stand_by(kMigration), A::park);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::refuse);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, Digest{}}), A::refuse) << "it holds nothing";
  EXPECT_EQ(side.verified(W::state_verified, kMigration, kOther), A::report);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::refuse);
  EXPECT_EQ(side.verified(W::state_verified, kMigration, kRoot), A::report);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kOther}), A::refuse) << "of what it had before";
  EXPECT_TRUE(is_standby(side.state()));
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::take_grant);
  EXPECT_TRUE(is_standby(side.state())) << "until that is done it dies with its agent";
  EXPECT_EQ(side.on(W::grant_taken), A::run_first_step);
  EXPECT_EQ(side.on(W::resumed), A::report);
  EXPECT_EQ(side.on(W::stepped), A::park);
  EXPECT_EQ(side.on(W::stepped), A::none) << "one step, once";
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::stop_watching);
  EXPECT_EQ(side.state(), S::training);
}

TEST(TrainerSide, HoldsNothingAfterAGrantThatItCouldNotTake) {
  auto side = in(S::granting);
  EXPECT_EQ(side.on(W::grant_not_taken), A::refuse);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::refuse);
  EXPECT_TRUE(is_standby(side.state()));
}

TEST(TrainerSide, WaitsForItsFirstStepsRecordWhateverElseItIsAskedFor) {
  for (const auto state : {S::granted, S::first_step, S::first_step_done}) {
    auto side = in(state);
    EXPECT_EQ(side.on(channel::BeginSync{.migration = "m-2"}), A::none) << to_string(state);
    EXPECT_EQ(side.state(), state);
    EXPECT_EQ(side.migration(), kMigration) << "whose record it waits for";
  }
}

TEST(TrainerSide, GivesItsMemoryAwayOnlyAsAProcessThatGoesItself) {
  for (const auto arrival : {ArrivalMode::standby, ArrivalMode::criu}) {
    for (const auto state : all_states()) {
      auto side = in(state, arrival);
      const auto act = side.on(channel::Depart{.migration = kMigration});
      const bool may = state == S::verified && arrival == ArrivalMode::criu;
      EXPECT_EQ(act == A::depart, may) << to_string(state);
      if (!may) {
        EXPECT_EQ(side.state(), state);
      }
    }
  }
}

TEST(TrainerSide, ComesBackOrArrivesFromADepartureOrStaysWhereItIs) {
  auto side = in(S::departing, ArrivalMode::criu);
  EXPECT_EQ(side.on(W::memory_given), A::report);
  EXPECT_EQ(side.on(channel::BeginSync{.migration = "m-2"}), A::none);
  EXPECT_EQ(side.migration(), kMigration) << "what a release will name";
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::recall);
  EXPECT_EQ(side.on(channel::Arrived{.migration = kMigration}), A::arrive)
      << "it was not to be had";
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::recall);
  EXPECT_EQ(side.on(W::memory_recalled), A::end_migration);
  EXPECT_EQ(side.state(), S::training);

  side = in(S::departed, ArrivalMode::criu);
  EXPECT_EQ(side.verified(W::memory_arrived, kMigration, kRoot), A::report);
  EXPECT_EQ(side.on(channel::Grant{kMigration, 2, kRoot}), A::take_grant);

  side = in(S::departing, ArrivalMode::criu);
  EXPECT_EQ(side.on(W::memory_kept), A::refuse);
  EXPECT_EQ(side.on(channel::Depart{.migration = kMigration}), A::refuse) << "its engine is gone";
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::end_migration);

  side = in(S::departing, ArrivalMode::criu);
  EXPECT_EQ(side.on(W::memory_lost), A::report_lost);
  EXPECT_EQ(side.on(channel::Release{kMigration}), A::report_lost);
  EXPECT_EQ(side.on(channel::Arrived{.migration = kMigration}), A::report_lost);
  EXPECT_EQ(side.state(), S::lost);
}

}  // namespace
}  // namespace cardswap
