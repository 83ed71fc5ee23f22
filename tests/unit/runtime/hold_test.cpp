/// Method: the gate alone, with a thread that trains; then a whole session with an agent that the
/// test plays.

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/step_gate.h"
#include "tests/support/process.h"
#include "tests/unit/runtime/one_trainer.h"

namespace cardswap::test {
namespace {

/// A thread that passes boundaries until it is told to end.
class Passing {
 public:
  explicit Passing(StepGate& gate)
      : gate_(gate), thread_([this] {
          while (!ends_ && gate_.boundary() == StepResult::proceed) {
          }
        }) {}
  ~Passing() {
    ends_ = true;
    gate_.hold_at(0);
  }

 private:
  StepGate& gate_;
  std::atomic<bool> ends_{false};
  std::jthread thread_;
};

TEST(HeldGate, StandsAtItsStepUntilItMayGoOn) {
  std::atomic<int> held{0};
  std::atomic<int> let_go{0};
  StepGate::Callbacks callbacks;
  callbacks.on_held = [&] { ++held; };
  callbacks.on_let_go = [&] { ++let_go; };
  StepGate gate(std::move(callbacks));
  gate.hold_at(5);
  {
    const Passing trainer(gate);
    ASSERT_TRUE(within(20s, [&] { return gate.is_held(); }));
    EXPECT_EQ(gate.step(), 5U);
    ASSERT_TRUE(within(20s, [&] { return held == 1; }));
    EXPECT_EQ(let_go, 0);
    gate.hold_at(9);
    ASSERT_TRUE(within(20s, [&] { return held == 2; }));
    EXPECT_EQ(gate.step(), 9U);
    EXPECT_EQ(let_go, 1);
    gate.hold_at(0);
    EXPECT_TRUE(within(20s, [&] { return gate.step() > 20; }));
    EXPECT_FALSE(gate.is_held());
  }
  EXPECT_EQ(held, 2);
}

/// A hold outlasts a migration that parks the trainer and releases it.
TEST(HeldGate, StandsThereAlsoAfterItWasParkedAndReleased) {
  std::atomic<int> parked{0};
  StepGate::Callbacks callbacks;
  callbacks.on_parked = [&] { ++parked; };
  StepGate gate(std::move(callbacks));
  gate.hold_at(3);
  const Passing trainer(gate);
  for (int times = 1; times <= 3; ++times) {
    ASSERT_TRUE(within(20s, [&] { return gate.is_held(); }));
    gate.park();
    ASSERT_TRUE(within(20s, [&] { return parked == times && gate.is_parked(); }));
    gate.release();
    ASSERT_TRUE(within(20s, [&] { return !gate.is_parked(); }));
  }
  EXPECT_EQ(gate.step(), 3U);
}

TEST(HeldGate, IsLookedAtOnceForEachTimeThatSomebodyAsks) {
  std::atomic<int> looked{0};
  StepGate::Callbacks callbacks;
  callbacks.on_boundary = [&] { ++looked; };
  StepGate gate(std::move(callbacks));
  gate.hold_at(3);
  const Passing trainer(gate);
  ASSERT_TRUE(within(20s, [&] { return gate.is_held(); }));
  const int before = looked;  // at the last two boundaries
  EXPECT_EQ(before, 2);
  gate.watch_once();
  ASSERT_TRUE(within(20s, [&] { return looked == before + 1; }));
  gate.watch(true);
  ASSERT_TRUE(within(20s, [&] { return looked == before + 2; }));
  gate.park();
  ASSERT_TRUE(within(20s, [&] { return gate.is_parked(); }));
  gate.release();
  EXPECT_EQ(looked, before + 2) << "it is watched, and passes no boundary";
}

/// Where it is held it takes no step, so what it is armed for there comes when it goes on.
TEST(HeldGate, IsArmedForItsStepAndForALaterOne) {
  StepGate gate({});
  gate.hold_at(3);
  ASSERT_EQ(gate.arm(3), (StepGate::ArmAnswer{true, 3}));
  const Passing trainer(gate);
  ASSERT_TRUE(within(20s, [&] { return gate.is_parked(); }));
  EXPECT_FALSE(gate.is_held()) << "it parks first";
  ASSERT_EQ(gate.arm(5), (StepGate::ArmAnswer{true, 5}));
  ASSERT_TRUE(within(20s, [&] { return gate.is_held(); })) << "and is held behind that";
  EXPECT_FALSE(gate.is_parked());
  EXPECT_EQ(gate.arm(3), (StepGate::ArmAnswer{false, 4})) << "it is there, and not parked";
  gate.hold_at(0);
  ASSERT_TRUE(within(20s, [&] { return gate.is_parked(); }));
  EXPECT_EQ(gate.step(), 5U);
  gate.disarm();
}

/// Its boundaries until then are ordinary ones, of which a later migration knows the job's pace.
TEST(HeldGate, HasAttentionOnlyWithinTwoStepsOfItsStep) {
  StepGate gate({});
  gate.hold_at(1000);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gate.boundary(), StepResult::proceed);
  EXPECT_FALSE(gate.has_attention());
  EXPECT_THAT(gate.ordinary_ms(), ::testing::Not(::testing::IsEmpty()));
  gate.hold_at(8);
  EXPECT_FALSE(gate.has_attention());
  for (const std::uint64_t at : {7U, 6U, 5U, 1U}) {
    gate.hold_at(at);
    EXPECT_TRUE(gate.has_attention()) << at;
  }
}

TEST(HeldGate, EndsTheLoopWhenItIsRetired) {
  StepGate gate({});
  gate.hold_at(1);
  std::jthread trainer([&] { EXPECT_EQ(gate.boundary(), StepResult::moved); });
  ASSERT_TRUE(within(20s, [&] { return gate.is_held(); }));
  gate.retire();
}

class HeldTrainer : public Roles {
 protected:
  /// A thread that stands does not end: the job is let go, and then trains to its end.
  void TearDown() override {
    if (!job_) return;
    job_->line.say(channel::HoldAt{0});
    EXPECT_TRUE(trains());
  }
  channel::Held open_held(std::uint64_t at) {
    open({.epoch = 1, .granted = true, .hold_at = at}, 256 * kKiB);
    return job_->line.hear<channel::Held>();
  }
};

TEST_F(HeldTrainer, StandsAtItsStepAndGoesOnAtItsAgentsWord) {
  EXPECT_EQ(open_held(7).step, 7U);
  job_->line.say(channel::HoldAt{0});
  EXPECT_TRUE(trains());
}

TEST_F(HeldTrainer, TellsAnAgentThatWasRestartedThatItStands) {
  const auto held = open_held(7);
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_EQ(job_->line.hear<channel::Held>(), held);
}

/// What a snapshot of a held job has is what was told of it, and it stands on behind that.
TEST_F(HeldTrainer, IsKeptWhileItStandsWithTheRootThatItTold) {
  const auto held = open_held(7);
  listen();
  auto asked = begin();
  asked.spec.chunk_bytes = kSnapshotChunkBytes;
  job_->line.say(asked);
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Frozen>().step, 7U);
  EXPECT_EQ(job_->line.hear<channel::Verified>().state_digest, held.state_digest);
  EXPECT_EQ(held_there().step, 7U);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  job_->line.say(channel::HoldAt{9});
  EXPECT_EQ(job_->line.hear<channel::Held>().step, 9U) << "it had stood, and takes two steps";
}

/// A restore to a step at which the job is to stand: there is no first step to wait for.
TEST_F(HeldTrainer, ArrivesWhereItIsToStandWithoutAStep) {
  open({.migration = kMigration,
        .data_host = "127.0.0.1",
        .data_token = kDataToken,
        .transports = "tcp",
        .hold_at = 41},
       256 * kKiB);
  port_ = job_->line.hear<channel::Parked>().port;
  Giver giver(256 * kKiB);
  const auto verified = fill(giver);
  EXPECT_EQ(verified.step, 41U);
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  EXPECT_EQ(job_->line.hear<channel::Resumed>().step, 41U);
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, 41U);
  job_->line.say(channel::Release{kMigration});
  EXPECT_EQ(steps_, 0U) << "its loop has not passed the boundary";
  job_->line.say(channel::HoldAt{0});
  EXPECT_TRUE(trains());
}

TEST_F(HeldTrainer, TakesStepsAgainWithoutEffects) {
  std::atomic<std::uint64_t> last_quiet{0};
  take_step_ = [&](Session& session) {
    if (session.is_standby()) last_quiet = session.steps() + 1;
    return session.step_boundary();
  };
  open({.epoch = 1, .granted = true, .again_until = 12}, 256 * kKiB);
  EXPECT_TRUE(trains());
  EXPECT_TRUE(within(20s, [&] { return steps_ > 20; }));
  EXPECT_EQ(last_quiet, 12U);
}

/// Method: the program notes numbers, some of them none; a state is taken, and has what was noted
/// by then.
TEST_F(HeldTrainer, GivesWhatItHasNotedWithItsState) {
  std::atomic<bool> right{true};
  take_step_ = [&](Session& session) {
    const auto step = static_cast<double>(session.steps() + 1);
    right = right && session.note("loss", step / 2) && session.note("rate", std::nan("")) &&
            session.note("top", -HUGE_VAL);
    right = right && !session.note("", 1) && !session.note(std::string(65, 'n'), 1) &&
            !session.note("\xff", 1);
    return session.step_boundary();
  };
  const auto held = open_held(8);
  EXPECT_TRUE(right);
  listen();
  auto asked = begin();
  asked.spec.chunk_bytes = kSnapshotChunkBytes;
  job_->line.say(asked);
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Verified>().state_digest, held.state_digest)
      << "notes are no state";
  const auto notes = held_there().notes;
  ASSERT_THAT(notes, ::testing::SizeIs(3));
  EXPECT_EQ(notes.at("loss"), 4);
  EXPECT_TRUE(std::isnan(notes.at("rate")));
  EXPECT_EQ(notes.at("top"), -HUGE_VAL);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
}

TEST_F(HeldTrainer, NotesNoMoreNamesThanAreKept) {
  std::atomic<std::size_t> kept{0};
  begin_program_ = [&](Session& session) {
    for (std::size_t i = 0; i < 2 * kNotesMax; ++i) {
      if (session.note("n" + std::to_string(i), 1)) ++kept;
    }
    if (session.note("n0", 2)) ++kept;  // a known name
  };
  (void)open_held(3);
  EXPECT_EQ(kept, kNotesMax + 1);
}

}  // namespace
}  // namespace cardswap::test
