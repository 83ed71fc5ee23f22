/// Method: a real session in this process, its agent played by the test over the runtime's socket,
/// and the other end of the data plane as an engine beside it. The training loop is a thread that
/// passes a boundary when the test lets it, or one a millisecond.

#include <gmock/gmock.h>

#include "tests/unit/runtime/one_trainer.h"

namespace cardswap::test {
namespace {

using StandbyRole = Roles;

class SourceRole : public Roles {
 protected:
  /// Asks for a snapshot whose copy takes the link as long as `bandwidth` says, and has the trainer
  /// stand for it. Its step changes nothing: with rounds all of it would go ahead.
  channel::Frozen freeze_for_snapshot(std::uint64_t bandwidth) {
    auto wanted = begin();
    wanted.spec.store = "file:/store";
    wanted.spec.strategy = Strategy::stop_copy;
    wanted.spec.bandwidth = bandwidth;
    job_->line.say(wanted);
    (void)job_->line.hear<channel::Converged>();
    job_->line.say(channel::Freeze{kMigration});
    return job_->line.hear<channel::Frozen>();
  }
};

TEST_F(SourceRole, SendsNothingInTheClearThatIsToBeEncrypted) {
  open_primary(256 * kKiB);
  listen();
  auto wanted = begin();
  wanted.spec.encrypt = true;
  wanted.data_key.clear();
  job_->line.say(wanted);
  EXPECT_EQ(job_->line.hear<channel::Failed>().code, Code::refused);
  EXPECT_TRUE(trains());
}

/// What the last step made would take a second where 300 ms are allowed.
TEST_F(SourceRole, GoesOnWhenAFreezeIsPutOffAndStandsForTheNextWithoutBeingAsked) {
  open_primary(256 * kKiB, true);
  listen();
  auto wanted = begin();
  wanted.spec.bandwidth = 8 * kMiB;
  wanted.spec.max_stall_ms = 300;
  job_->line.say(wanted);
  (void)job_->line.hear<channel::Converged>();
  in_a_step([&] {
    growing_->grow(8 * kMiB);
    job_->line.say(channel::Freeze{kMigration});
    job_->line.say(channel::Depart{kMigration, {}, 0});  // answered at once: the freeze was heard
    (void)job_->line.hear<channel::Failed>();
  });
  const auto frozen = hear_without<channel::Converged, channel::Frozen>();
  const auto verified = job_->line.hear<channel::Verified>();
  EXPECT_EQ(verified.stats.freezes_put_off, 1U) << verified.stats.remark;
  EXPECT_EQ(verified.step, frozen.step);
  EXPECT_EQ(verified.state_digest, held_there().state_digest);
  EXPECT_LE(steps_, frozen.step) << "it stands";
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

TEST_F(SourceRole, DoesNotStandForAFreezeThatWasReleasedWithinTheStep) {
  open_primary(256 * kKiB);
  listen();
  job_->line.say(begin());
  (void)job_->line.hear<channel::Converged>();
  in_a_step([&] {
    job_->line.say(channel::Freeze{kMigration});
    job_->line.say(channel::Release{kMigration});
    EXPECT_EQ(job_->line.hear<channel::Released>().migration, kMigration);
  });
  EXPECT_TRUE(trains());
  // And it is free for the next one, which is another's to freeze.
  listen("m-2");
  job_->line.say(begin("m-2"));
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  EXPECT_TRUE(trains()) << "a word of the migration that is over";
  job_->line.say(channel::Freeze{"m-2"});
  EXPECT_EQ(job_->line.hear<channel::Verified>().state_digest, held_there().state_digest);
  job_->line.say(channel::Release{"m-2"});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, "m-2");
  EXPECT_TRUE(trains());
}

/// Method: the program's own code, while it is asked for its state, says the agent's word and waits
/// for the answer, which would never come if the word waited for the look to end.
TEST_F(SourceRole, IsLetGoOfWhileItsProgramIsBeingLookedAt) {
  open_primary(256 * kKiB, true);
  listen();
  std::string released;
  const auto let_go_in_the_next_look = [&](const std::string& migration) {
    growing_->looked_at_ = [this, &released, migration] {
      job_->line.say(channel::Release{migration});
      const auto answer = job_->line.hear<channel::Released>().migration;
      note([&] { released = answer; });
    };
  };
  job_->line.say(begin());
  (void)job_->line.hear<channel::Converged>();
  in_a_step([&] { let_go_in_the_next_look(kMigration); });
  ASSERT_TRUE(within(30s, [&] { return released == kMigration; })) << "it waited for the look";

  // The look that an engine would begin with: it does not begin any more.
  in_a_step([&] {
    let_go_in_the_next_look("m-2");
    job_->line.say(begin("m-2"));
  });
  ASSERT_TRUE(within(30s, [&] { return released == "m-2"; })) << "it waited for the look";
  EXPECT_TRUE(trains());

  listen("m-3");
  job_->line.say(begin("m-3"));
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{"m-3"});
  EXPECT_EQ(job_->line.hear<channel::Verified>().state_digest, held_there().state_digest);
  job_->line.say(channel::Release{"m-3"});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

/// Its agent was restarted: the record that it makes says that this trainer stands.
TEST_F(SourceRole, SaysThatItIsFrozenToAnAgentThatWasRestarted) {
  open_primary(256 * kKiB);
  listen();
  job_->line.say(begin());
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  (void)job_->line.hear<channel::Verified>();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_TRUE(job_->hello.frozen);
  EXPECT_EQ(job_->hello.migration, kMigration);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

/// A snapshot over a link that takes seconds for what is copied in one moment.
TEST_F(SourceRole, TrainsOnWhileItsSnapshotIsSentAndSaysOfWhichStepThatIs) {
  open_primary(256 * kKiB);
  listen();
  const auto frozen = freeze_for_snapshot(64 * kKiB);
  EXPECT_TRUE(frozen.trains_on);
  EXPECT_TRUE(trains()) << "while it is sent";
  const auto trained_to = steps_.load();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));  // its agent was restarted
  EXPECT_FALSE(job_->hello.frozen);
  EXPECT_EQ(job_->hello.migration, kMigration);
  const auto verified = job_->line.hear<channel::Verified>();
  EXPECT_EQ(verified.step, frozen.step);
  EXPECT_LT(verified.step, trained_to) << "all was sent before it had trained on";
  EXPECT_EQ(verified.state_digest, held_there().state_digest);
  EXPECT_EQ(verified.stats.copied_bytes, 256 * kKiB);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

/// The last snapshot of a job is the one that is wanted most.
TEST_F(SourceRole, EndsBehindItsSnapshotAndNotBefore) {
  open_primary(256 * kKiB);
  listen();
  const auto frozen = freeze_for_snapshot(256 * kKiB);
  stop_training();
  const auto verified = hear_without<channel::Ended, channel::Verified>();
  EXPECT_EQ(verified.step, frozen.step);
  EXPECT_EQ(verified.state_digest, held_there().state_digest);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Ended>();
}

TEST_F(SourceRole, IsLetGoOfWhileItsSnapshotIsSent) {
  open_primary(256 * kKiB);
  listen();
  EXPECT_TRUE(freeze_for_snapshot(32 * kKiB).trains_on);
  job_->line.say(channel::Release{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, kMigration);
  EXPECT_TRUE(trains());
  listen("m-2");
  job_->line.say(begin("m-2"));
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{"m-2"});
  EXPECT_FALSE(job_->line.hear<channel::Frozen>().trains_on) << "a move";
  EXPECT_EQ(job_->line.hear<channel::Verified>().state_digest, held_there().state_digest);
  job_->line.say(channel::Release{"m-2"});
  (void)job_->line.hear<channel::Released>();
}

TEST_F(SourceRole, RefusesToDepartFromAMigrationToAStandby) {
  open_primary(256 * kKiB);
  listen();
  job_->line.say(begin());
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  (void)job_->line.hear<channel::Verified>();
  job_->line.say(channel::Depart{kMigration, dir_ / "custodian", 1});
  EXPECT_EQ(job_->line.hear<channel::Failed>().code, Code::bad_request);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

TEST_F(SourceRole, IsFrozenBehindTheStepThatItRehearsed) {
  open_primary(256 * kKiB);
  listen();
  auto wanted = begin();
  wanted.spec.rehearse = Rehearsal::on;
  job_->line.say(wanted);
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  const auto frozen = job_->line.hear<channel::Frozen>();
  const auto verified = job_->line.hear<channel::Verified>();
  EXPECT_EQ(verified.stats.rehearsal, RehearsalOutcome::equal) << verified.stats.rehearsal_remark;
  EXPECT_EQ(verified.step, frozen.step);
  EXPECT_EQ(held_there().step, frozen.step) << "not of the step before";
  EXPECT_EQ(held_there().state_digest, verified.state_digest);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

TEST_F(SourceRole, TellsWhatARehearsedStepLeftOtherwiseAndIsReleasedBehindIt) {
  open_primary(256 * kKiB);
  receiver_.forgets_ = "memory";
  listen();
  auto wanted = begin();
  wanted.spec.rehearse = Rehearsal::on;
  job_->line.say(wanted);
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.code, Code::digest_mismatch);
  EXPECT_THAT(failed.failure, ::testing::HasSubstr("tensors: memory (65536 bytes in all)"));
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(trains());
}

TEST_F(StandbyRole, TakesOneStepOfItsOwnAndStandsUntilItIsGranted) {
  open_standby(256 * kKiB);
  Giver giver(256 * kKiB);
  const auto verified = fill(giver, Rehearsal::on);
  EXPECT_EQ(verified.step, 42U) << "the giver's next one";
  EXPECT_EQ(rehearsed_, 1);
  EXPECT_EQ(steps_, 41U) << "it counted from where its source was";
  EXPECT_TRUE(standby_) << "its effects are held back";
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  EXPECT_EQ(job_->line.hear<channel::Resumed>().step, 42U);
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, 43U);
  EXPECT_EQ(rehearsed_, 1) << "what came behind it is the job's";
  job_->line.say(channel::Release{kMigration});
  EXPECT_TRUE(trains());
}

TEST_F(StandbyRole, RefusesAGrantForAnotherStateAndTakesTheOneForItsOwn) {
  open_standby(256 * kKiB);
  Giver giver(256 * kKiB);
  job_->line.say(channel::Grant{kMigration, 2, Digest{}});
  EXPECT_EQ(job_->line.hear<channel::Failed>().code, Code::digest_mismatch) << "it holds nothing";
  const auto verified = fill(giver);
  EXPECT_EQ(verified.step, 41U);
  job_->line.say(channel::Grant{"m-2", 2, verified.state_digest});
  job_->line.say(channel::Grant{kMigration, 2, Digest{{1}}});
  EXPECT_EQ(job_->line.hear<channel::Failed>().migration, kMigration);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_EQ(steps_, 0U) << "it stands in its first boundary, whatever it was told";

  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  EXPECT_EQ(job_->line.hear<channel::Resumed>().step, 41U);
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, 42U);
  job_->line.say(channel::Release{kMigration});
  EXPECT_TRUE(trains());
  EXPECT_FALSE(standby_);
}

TEST_F(StandbyRole, TellsItsFirstStepAgainToAnAgentThatLostTheLine) {
  open_standby(256 * kKiB);
  Giver giver(256 * kKiB);
  const auto verified = fill(giver);
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  (void)job_->line.hear<channel::FirstStep>();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 2, .granted = true}));
  EXPECT_EQ(job_->hello.role, channel::Role::primary);
  EXPECT_EQ(job_->hello.epoch, 2U);
  EXPECT_EQ(job_->hello.migration, kMigration);
  EXPECT_FALSE(job_->hello.frozen) << "it is no source that stands";
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, 42U);
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, 42U) << "until it is recorded";
  job_->line.say(channel::Release{kMigration});
  EXPECT_TRUE(trains());
}

TEST_F(StandbyRole, BeginsNoMigrationWhileItsFirstStepIsNotRecorded) {
  open_standby(256 * kKiB);
  Giver giver(256 * kKiB);
  const auto verified = fill(giver);
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  (void)job_->line.hear<channel::FirstStep>();
  listen("m-2");
  job_->line.say(begin("m-2"));
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().migration, kMigration);
  job_->line.say(channel::Release{kMigration});
  EXPECT_TRUE(trains()) << "the record that it waited for is there";
  job_->line.say(begin("m-2"));
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Release{"m-2"});
  (void)job_->line.hear<channel::Released>();
}

/// Method: one more than it keeps in mind asks what its state consists of, while it is in a step.
TEST_F(SourceRole, SaysAtOnceThatTooManyWaitForAListOfItsState) {
  open_primary(kKiB);
  constexpr std::uint64_t kMax = 16;
  in_a_step([&] {
    for (std::uint64_t i = 1; i <= kMax + 1; ++i) job_->line.say(channel::ListState{i});
    const auto first = job_->line.hear<channel::StateList>();
    EXPECT_EQ(first.request, kMax + 1);
    EXPECT_TRUE(first.last);
    EXPECT_NE(first.refusal, "");
  });
  for (std::uint64_t i = 1; i <= kMax; ++i) {
    const auto list = job_->line.hear<channel::StateList>();
    EXPECT_EQ(list.request, i);
    EXPECT_EQ(list.refusal, "");
  }
}

}  // namespace
}  // namespace cardswap::test
