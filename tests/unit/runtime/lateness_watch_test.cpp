/// Method: as roles_test; a step of the loop is made late by what the test does in it.

#include <gmock/gmock.h>

#include <future>

#include "tests/unit/runtime/one_trainer.h"

namespace cardswap::test {
namespace {

using LateSteps = Roles;

/// What a long step does: nothing comes for so long.
void take(std::chrono::milliseconds time) {
  EXPECT_EQ(std::promise<void>().get_future().wait_for(time), std::future_status::timeout);
}

/// The first of them for which it holds.
template <class Word>
Word heard(RuntimeLine& line, const std::function<bool(const Word&)>& holds) {
  while (true) {
    auto word = line.hear<Word>();
    if (holds(word)) return word;
  }
}

TEST_F(LateSteps, AreTimedFromTheRequestToTenStepsAfterTheJobWasLetGo) {
  open_primary(kKiB);
  ASSERT_TRUE(trains());
  in_a_step([] { take(300ms); });  // before anybody asked
  ASSERT_TRUE(trains());
  job_->line.say(channel::TimeSteps{kMigration});
  in_a_step([] { take(100ms); });
  const auto late = heard<channel::LateSteps>(
      job_->line, [](const auto& word) { return word.lateness.stall_ms() >= 90; });
  EXPECT_EQ(late.migration, kMigration);
  EXPECT_LT(late.lateness.stall_ms(), 290) << "what was before the request is not in it";
  EXPECT_GE(late.lateness.pace().steps, Pace::kStepsMin);
  EXPECT_EQ(late.after, 0U);
  EXPECT_FALSE(late.over);

  job_->line.say(channel::Release{kMigration});
  const auto last =
      heard<channel::LateSteps>(job_->line, [](const auto& word) { return word.over; });
  EXPECT_EQ(last.after, kStepsAfter);
  EXPECT_GE(last.lateness.lost_ms(), late.lateness.lost_ms());
  in_a_step([] { take(300ms); });
  job_->line.say(channel::TimeSteps{"m-2"});
  const auto next = job_->line.hear<channel::LateSteps>();
  EXPECT_EQ(next.migration, "m-2");
  EXPECT_LT(next.lateness.stall_ms(), 90) << "nothing of another migration, or before it";
}

TEST_F(LateSteps, HaveTheTimeInWhichTheJobStoodForAFreezeThatWasGivenUp) {
  open_primary(256 * kKiB);
  listen();
  ASSERT_TRUE(trains());
  job_->line.say(channel::TimeSteps{kMigration});
  job_->line.say(begin());
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  const auto stands =
      heard<channel::LateSteps>(job_->line, [](const auto& word) { return word.open_ms > 0; });
  (void)job_->line.hear<channel::Verified>();
  take(100ms);
  job_->line.say(channel::Release{kMigration});
  const auto last =
      heard<channel::LateSteps>(job_->line, [](const auto& word) { return word.over; });
  EXPECT_GE(last.lateness.stall_ms(), 90);
  EXPECT_GE(last.lateness.lost_ms(), stands.lateness.lost_ms() + 90);
  EXPECT_EQ(last.open_ms, 0);
}

TEST_F(LateSteps, OfAJobThatEndsAreToldAsTheyAreThen) {
  open_primary(kKiB);
  ASSERT_TRUE(trains());
  job_->line.say(channel::TimeSteps{kMigration});
  (void)job_->line.hear<channel::LateSteps>();
  stop_training();
  const auto last =
      heard<channel::LateSteps>(job_->line, [](const auto& word) { return word.over; });
  EXPECT_EQ(last.after, 0U);
  (void)job_->line.hear<channel::Ended>();
}

/// The first one has the wait for its agent to record it.
TEST_F(LateSteps, AreToldByAStandbyOfItsFirstTenSteps) {
  open_standby(64 * kKiB);
  Giver giver(64 * kKiB);
  const auto verified = fill(giver);
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  (void)job_->line.hear<channel::FirstStep>();
  take(100ms);
  job_->line.say(channel::Release{kMigration});
  const auto last =
      heard<channel::FirstSteps>(job_->line, [](const auto& word) { return word.over; });
  EXPECT_EQ(last.migration, kMigration);
  ASSERT_EQ(last.took_ms.size(), kStepsAfter);
  EXPECT_GE(last.took_ms.front(), 90);
  EXPECT_TRUE(trains());
  // And they are the pace of the job here, for its next move.
  job_->line.say(channel::TimeSteps{"m-2"});
  EXPECT_TRUE(job_->line.hear<channel::LateSteps>().lateness.pace().is_known());
}

}  // namespace
}  // namespace cardswap::test
