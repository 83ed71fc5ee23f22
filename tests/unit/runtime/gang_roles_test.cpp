// What a runtime does in a gang as a rank that stays.

#include <gmock/gmock.h>

#include <chrono>
#include <string>

#include "tests/unit/runtime/in_a_gang.h"

namespace cardswap::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(InAGang, GoesOnWithTheNextCommunicatorAtTheStepThatIsAgreed) {
  open_primary(64 * kKiB);
  build();
  EXPECT_TRUE(trains()) << "it was built beside the loop";
  const auto step = stand();
  EXPECT_EQ(steps_, step - 1) << "it stands in the boundary of that step";
  check();
  job_->line.say(channel::SwitchOver{kGang, 2});
  EXPECT_EQ(job_->line.hear<channel::FirstStep>(), (channel::FirstStep{kGang, step + 1}));
  EXPECT_TRUE(trains());
  EXPECT_THAT(calls(), ElementsAre("build 2 at 10.0.0.4:7002", "trip", "exchange"));
  EXPECT_THAT(played_.moved, ElementsAre(2));
  job_->line.say(channel::CloseOld{kGang});
  EXPECT_TRUE(played_.is_called("close_old"));
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 2, .granted = true}));
  EXPECT_EQ(job_->hello.epoch, 2U);
  EXPECT_EQ(job_->hello.migration, "");
}

/// Method: the time that it stands is taken here too.
TEST_F(InAGang, TellsHowLateItsStepsWereAndWhatTheCommunicatorTook) {
  open_primary(64 * kKiB);
  EXPECT_TRUE(trains());
  job_->line.say(channel::TimeSteps{kGang});
  build();
  (void)stand();
  const auto stood = std::chrono::steady_clock::now();
  check();
  const auto stood_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - stood).count();
  job_->line.say(channel::SwitchOver{kGang, 2});
  const auto took = job_->line.hear<channel::CommunicatorsTook>();
  EXPECT_EQ(took.gang, kGang);
  EXPECT_EQ(took.build_ms, 30);
  EXPECT_EQ(took.try_ms, 2);
  EXPECT_GT(took.exchange_ms, 0);
  auto late = job_->line.hear<channel::LateSteps>();
  while (!late.over) late = job_->line.hear<channel::LateSteps>();
  EXPECT_EQ(late.migration, kGang);
  EXPECT_EQ(late.after, kStepsAfter);
  ASSERT_TRUE(late.lateness.pace().is_known());
  EXPECT_GE(late.lateness.stall_ms(), stood_ms - late.lateness.pace().step_ms);
  EXPECT_GE(late.lateness.lost_ms(), late.lateness.stall_ms());
}

TEST_F(InAGang, GoesOnAsBeforeWhereverItIsReleased) {
  open_primary(64 * kKiB);
  build();
  expect_released();
  job_->line.say(build_next(kGang, 3));
  (void)job_->line.hear<channel::NextBuilt>();
  job_->line.say(channel::Arm{kGang, steps_ + 100'000'000});
  (void)job_->line.hear<channel::Armed>();
  expect_released();
  job_->line.say(build_next(kGang, 4));
  (void)job_->line.hear<channel::NextBuilt>();
  (void)stand();
  expect_released();
  job_->line.say(build_next(kGang, 5));
  (void)job_->line.hear<channel::NextBuilt>();
  (void)stand();
  check();
  expect_released();
}

TEST_F(InAGang, DoesNotWaitForRanksThatDoNotComeOnceItIsReleased) {
  played_.stands_in = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  EXPECT_TRUE(played_.is_called("build 2 at 10.0.0.4:7002"));
  EXPECT_TRUE(trains());
  expect_released();
}

TEST_F(InAGang, IsReleasedInTheMiddleOfItsCheck) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  played_.note([&] { played_.stands_in = "trip"; });
  job_->line.say(channel::Check{kGang});
  EXPECT_TRUE(played_.is_called("trip"));
  job_->line.say(channel::Release{kGang});
  EXPECT_EQ((hear_without<channel::Checked, channel::Released>().migration), kGang);
  EXPECT_TRUE(trains());
}

TEST_F(InAGang, StandsWhenItsCheckFailsUntilItIsReleased) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  played_.note([&] { played_.fails = "trip"; });
  job_->line.say(channel::Check{kGang});
  EXPECT_THAT(job_->line.hear<channel::CheckFailed>().failure, HasSubstr("trip fails"));
  const auto stands = steps_.load();
  job_->line.say(channel::SwitchOver{kGang, 2});
  job_->line.say(channel::Arm{kGang, 1});
  (void)job_->line.hear<channel::Late>();
  EXPECT_EQ(steps_, stands);
  expect_released();
}

TEST_F(InAGang, SaysThatItCannotBuildAndBuildsWhenItIsAskedAgain) {
  played_.fails = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.migration, kGang);
  EXPECT_THAT(failed.failure, HasSubstr("build fails"));
  EXPECT_TRUE(trains());
  played_.note([&] { played_.fails.clear(); });
  build();
}

TEST_F(InAGang, RefusesTheEpochOfAGangThatWasGivenUp) {
  open_primary(64 * kKiB);
  build();
  expect_released();
  job_->line.say(build_next("m-00000002", 2));
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.migration, "m-00000002");
  EXPECT_THAT(failed.failure, HasSubstr("epoch 2 was given up before"));
  EXPECT_TRUE(trains());
}

TEST_F(InAGang, RefusesAGangOfAnotherNumberOfRanks) {
  open_primary(64 * kKiB);
  job_->line.say(channel::BuildNext{kGang, 2, "10.0.0.4:7002", kRanks + 1, {2}});
  EXPECT_THAT(job_->line.hear<channel::Failed>().failure, HasSubstr("has 4 ranks"));
  EXPECT_THAT(calls(), ::testing::IsEmpty());
  EXPECT_TRUE(trains());
}

TEST_F(InAGang, IsLateForAStepThatIsBehindIt) {
  open_primary(64 * kKiB);
  build();
  EXPECT_TRUE(trains());
  job_->line.say(channel::Arm{kGang, 1});
  const auto late = job_->line.hear<channel::Late>();
  EXPECT_GT(late.earliest, 1U);
  EXPECT_TRUE(trains());
  (void)stand();
  expect_released();
}

TEST_F(InAGang, StandsAtALaterStepThatIsProposedWhereItStands) {
  open_primary(64 * kKiB);
  build();
  const auto first = stand();
  job_->line.say(channel::Arm{kGang, first});
  EXPECT_EQ(job_->line.hear<channel::Armed>().step, first);
  EXPECT_EQ(job_->line.hear<channel::Reached>().step, first) << "it stands there still";
  job_->line.say(channel::Arm{kGang, first + 3});
  EXPECT_EQ(job_->line.hear<channel::Reached>().step, first + 3);
  expect_released();
}

TEST_F(InAGang, TellsAnAgentThatComesBackThatItStands) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_EQ(job_->hello.migration, kGang);
  EXPECT_TRUE(job_->hello.frozen);
  EXPECT_EQ(job_->hello.rank, 1U);
  EXPECT_EQ(job_->hello.ranks, kRanks);
  job_->line.say(build_next());
  expect_released();
}

TEST_F(InAGang, IsInNoMigrationMeanwhile) {
  open_primary(64 * kKiB);
  build();
  listen();
  job_->line.say(begin());
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.migration, kMigration);
  EXPECT_EQ(failed.code, Code::conflict);
  (void)stand();
  expect_released();
}

TEST_F(InAGang, ClosesItsSessionWhileItBuilds) {
  played_.stands_in = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  EXPECT_TRUE(played_.is_called("build 2 at 10.0.0.4:7002"));
  stop_training();
  EXPECT_FALSE(job_->line.hear<channel::Ended>().moved);
}

TEST_F(InAGang, TellsItsAgentItsPlaceAndTheAgentsOfAllRanks) {
  const channel::RankPlace place{1, kRanks, {"10.0.0.2:7070", "10.0.0.3:7070", ""}};
  open({.epoch = 1, .granted = true, .agent_address = "10.0.0.3:7070"}, 64 * kKiB);
  EXPECT_EQ(job_->line.hear<channel::RankPlace>(), (channel::RankPlace{1, kRanks, {}}));
  in_a_step([&] {
    EXPECT_EQ(ForeignSession::agent_address(*played_.session), "10.0.0.3:7070");
    EXPECT_EQ(ForeignSession::place_in_gang(*played_.session).ranks, 0U);
    ForeignSession::tell_agents(*played_.session, place.agents);
  });
  while (job_->line.hear<channel::RankPlace>() != place) {  // what was told before is told twice
  }
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_EQ(job_->hello.rank, 1U);
  EXPECT_EQ(job_->hello.ranks, kRanks);
  EXPECT_EQ(job_->line.hear<channel::RankPlace>(), place);
}

}  // namespace
}  // namespace cardswap::test
