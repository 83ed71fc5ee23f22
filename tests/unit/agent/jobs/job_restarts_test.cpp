#include "agent/jobs/job_restarts.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using enum InstanceState;

constexpr ProcessEnd kWell{.known = true, .failed = false};
constexpr ProcessEnd kFailed{.known = true, .failed = true};
constexpr ProcessEnd kUnseen{.known = false, .failed = false};

TEST(StateAfter, IsByWhatIsKnownOfTheEndAndBySomebodysWord) {
  for (const auto before : {starting, running, standby}) {
    EXPECT_EQ(state_after(before, kWell, false), ended);
    EXPECT_EQ(state_after(before, kFailed, false), failed);
    EXPECT_EQ(state_after(before, kUnseen, false), lost);
    EXPECT_EQ(state_after(before, kWell, true), ended) << "it ended well all the same";
    EXPECT_EQ(state_after(before, kFailed, true), stopped);
    EXPECT_EQ(state_after(before, kUnseen, true), stopped);
  }
}

TEST(StateAfter, OfWhatIsLeftOfAJobThatMovedStays) {
  for (const auto& end : {kWell, kFailed, kUnseen}) {
    EXPECT_EQ(state_after(moved, end, false), moved);
    EXPECT_EQ(state_after(moved, end, true), moved);
  }
}

/// One for which nothing stands against a restart.
EndedInstance restartable(InstanceState state) {
  return {.state = state,
          .standby = false,
          .restart = RestartRule::on_failure,
          .restarts = kRestartsMax - 1,
          .agent_stops = false,
          .may_restart = true};
}

/// Every combination of what the rule looks at: exactly two of them start again.
TEST(AfterEnd, StartsAgainWhatFailedOrWasLostWhereAllElseAllowsIt) {
  for (int state = 0; state <= static_cast<int>(last_of(InstanceState{})); ++state) {
    for (unsigned bits = 0; bits < 32; ++bits) {
      auto one = restartable(static_cast<InstanceState>(state));
      if ((bits & 1U) != 0) one.restart = RestartRule::never;
      if ((bits & 2U) != 0) one.restarts = kRestartsMax;
      if ((bits & 4U) != 0) one.agent_stops = true;
      if ((bits & 8U) != 0) one.may_restart = false;
      if ((bits & 16U) != 0) one.standby = true;
      const bool broke_down = one.state == failed || one.state == lost;
      const auto expected = (bits & 16U) != 0         ? AfterEnd::drops_standby
                            : broke_down && bits == 0 ? AfterEnd::starts_again
                                                      : AfterEnd::ends;
      EXPECT_EQ(after_end(one), expected) << to_string(one.state) << " with " << bits;
    }
  }
}

TEST(AfterEnd, RecoversInPlaceOfAStartAtTheFirstStepWhereThereAreSnapshots) {
  auto one = restartable(lost);
  one.has_snapshots = true;
  EXPECT_EQ(after_end(one), AfterEnd::recovers);
  one.restarts = kRestartsMax;
  EXPECT_EQ(after_end(one), AfterEnd::ends) << "a loop has an end";
  one = restartable(failed);
  one.has_snapshots = true;
  one.restart = RestartRule::never;
  EXPECT_EQ(after_end(one), AfterEnd::ends) << "nobody asked for it";
}

TEST(AfterEnd, RecoversWhatWasEndedForThatWhateverItsRule) {
  auto one = restartable(failed);
  one.recovery_asked = true;
  one.restart = RestartRule::never;
  one.restarts = kRestartsMax;
  EXPECT_EQ(after_end(one), AfterEnd::recovers);
  one.may_restart = false;
  EXPECT_EQ(after_end(one), AfterEnd::ends) << "it may run elsewhere";
  one.may_restart = true;
  for (const auto state : {ended, stopped, moved}) {
    one.state = state;
    EXPECT_EQ(after_end(one), AfterEnd::ends) << to_string(state);
  }
}

TEST(AfterEnd, LeavesASnapshotSenderToItsRestore) {
  for (const bool asked : {false, true}) {
    auto one = restartable(failed);
    one.has_snapshots = true;
    one.recovery_asked = asked;
    one.is_sender = true;
    EXPECT_EQ(after_end(one), AfterEnd::ends) << "its program would begin at its first step";
  }
}

TEST(AfterEnd, StartsAJobAgainSoOftenAndNoMore) {
  auto one = restartable(failed);
  for (one.restarts = 0; one.restarts < kRestartsMax; ++one.restarts) {
    EXPECT_EQ(after_end(one), AfterEnd::starts_again) << one.restarts;
  }
  EXPECT_EQ(after_end(one), AfterEnd::ends);
}

class RestartTest : public ::testing::Test {
 protected:
  RestartTest() {
    job_.epoch = 3;
    job_.restarts = 1;
    instance_.remains = {{13, 14}};
  }
  static InstanceRecord ended() {
    InstanceRecord record;
    record.state = failed;
    record.token = "0123";
    record.program = {11, 12};
    record.exit_code = 7;
    record.exit_text = "a word";
    record.ended_at_ms = 99;
    return record;
  }

  Job job_;
  Instance& instance_ = job_.instances.emplace_back(job_, ended());
};

TEST_F(RestartTest, IsUnderTheNextEpochAndKnowsNothingOfTheEndedProcess) {
  const auto before = begin_restart(instance_);
  EXPECT_EQ(job_.epoch, 4U);
  EXPECT_EQ(job_.restarts, 2U);
  EXPECT_EQ(instance_.state(), starting);
  EXPECT_NE(instance_.record().token, before.record.token) << "what is left of it has that one";
  EXPECT_EQ(instance_.program(), ProcessId());
  EXPECT_TRUE(instance_.remains.empty());
  EXPECT_FALSE(instance_.record().exit_code);
  EXPECT_EQ(instance_.record().exit_text, "");
  EXPECT_EQ(instance_.record().ended_at_ms, 0);
}

TEST_F(RestartTest, ThatCameToNothingLeavesTheEndAsItWasAndSaysWhy) {
  undo_restart(instance_, begin_restart(instance_), "there is no device 'cpu:1'");
  EXPECT_EQ(job_.epoch, 3U);
  EXPECT_EQ(job_.restarts, 1U);
  EXPECT_EQ(instance_.state(), failed);
  EXPECT_EQ(instance_.record().token, "0123");
  EXPECT_EQ(instance_.program(), (ProcessId{11, 12}));
  EXPECT_EQ(instance_.record().exit_code, 7);
  EXPECT_EQ(instance_.record().ended_at_ms, 99);
  EXPECT_EQ(instance_.record().exit_text,
            "a word; it could not be started again: there is no device 'cpu:1'");
}

}  // namespace
}  // namespace cardswap
