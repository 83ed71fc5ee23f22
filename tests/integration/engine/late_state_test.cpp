/// Method: both ends of a migration in one process, over real UCX on loopback. The program is a
/// mixture of experts: a parameter's optimizer state is made with its first gradient, which comes
/// at the moments that hurt, and another optimizer step needs it as it is.

#include <gmock/gmock.h>

#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/support/experts.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using test::Chosen;
using ::testing::HasSubstr;

constexpr std::size_t kKiB = 1U << 10U;
constexpr std::size_t kMiB = 1U << 20U;

class LateState : public ::testing::Test, protected test::Notes {
 protected:
  explicit LateState(std::vector<std::size_t> sizes = std::vector<std::size_t>(8, 256 * kKiB))
      : source_experts_(sizes, 31), target_experts_(sizes, 17) {
    trainer_.take_step({0, 1, 2, 3});  // the others were never chosen so far
    standby_.adopt(trainer_.state_view().layout);
  }

  void start(Strategy strategy, std::uint64_t bandwidth = 0, double max_downtime_ms = 0) {
    const auto failed = [this](const Error& error) {
      note([&] {
        if (!error_) error_ = error;
      });
    };
    target_.emplace(TargetOptions{"m", "127.0.0.1", "token", "", seconds(10)}, standby_,
                    TargetCallbacks{[](const VerifiedState&) {}, failed});
    SourceOptions options;
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    options.token = "token";
    options.spec.strategy = strategy;
    options.spec.chunk_bytes = 64 * kKiB;
    options.spec.bandwidth = bandwidth;
    options.spec.compression = Compression::off;
    options.silence_max = seconds(10);
    options.spec.max_stall_ms = max_downtime_ms;
    SourceCallbacks events;
    events.progress = [this](const MigrationStats& stats) { note([&] { stats_ = stats; }); };
    events.converged = [this](double) { note([&] { converged_ = true; }); };
    events.verified = [this](const Digest&, const MigrationStats& stats) {
      note([&] {
        stats_ = stats;
        verified_ = true;
      });
    };
    events.failed = failed;
    events.frozen = [this](std::uint64_t step) { note([&] { frozen_at_ = step; }); };
    events.put_off = [this](const std::string& why) {
      note([&] {
        put_off_ = why;
        converged_ = false;
      });
    };
    source_.emplace(options, trainer_, std::move(events));
  }

  template <class Condition>
  bool trains_until(Condition condition, const Chosen& chosen = {0, 1}) {
    const auto until = Clock::now() + seconds(20) * test::kPatience;
    while (!within(milliseconds(2), [&] { return condition() || error_; }) &&
           Clock::now() < until) {
      trainer_.take_step(chosen);
      source_->stepped();
    }
    return within(milliseconds(0), [&] { return condition() && !error_; });
  }
  bool trains_until_converged(const Chosen& chosen = {0, 1}) {
    return trains_until([&] { return converged_; }, chosen);
  }
  void step(const Chosen& chosen) {
    trainer_.take_step(chosen);
    source_->stepped();
  }
  void freeze(const Chosen& chosen) {
    trainer_.take_step(chosen, true);
    FrozenState state;
    state.state_view = trainer_.state_view();
    state.step = trainer_.step();
    state.last_step_end_ns = Clock::now().time_since_epoch().count();
    source_->freeze(std::move(state));
  }
  bool verifies() {
    return within(seconds(20), [&] { return verified_ || error_; }) && verified_;
  }
  bool freezes_and_verifies(const Chosen& chosen) {
    freeze(chosen);
    return verifies();
  }
  std::string why() {
    return look([&]() -> std::string {
      return error_ ? error_->what()
                    : "nobody failed, the time was over in " + std::string(to_string(stats_.phase));
    });
  }
  /// What the standby would train on with.
  void expect_equal_experts() {
    source_.reset();
    target_.reset();
    const auto here = source_experts_.view();
    const auto there = target_experts_.view();
    ASSERT_EQ(here.layout, there.layout);
    for (std::size_t i = 0; i < here.memory.size(); ++i) {
      EXPECT_TRUE(std::ranges::equal(here.memory[i], there.memory[i]))
          << here.layout.regions()[i].name;
    }
  }
  void expect_a_replay_to_the_end(std::uint64_t bytes_in_downtime_max) {
    EXPECT_EQ(stats_.strategy, "replay");
    EXPECT_EQ(stats_.shards_not_replayed, 0U) << stats_.not_replayed;
    EXPECT_LE(stats_.bytes_in_downtime, bytes_in_downtime_max);
    expect_equal_experts();
  }

  test::Experts source_experts_;
  test::Experts target_experts_;
  test::Trainer trainer_{source_experts_};
  test::Standby standby_{target_experts_};
  bool converged_ = false;
  bool verified_ = false;
  std::optional<std::uint64_t> frozen_at_;
  std::optional<std::string> put_off_;
  MigrationStats stats_;
  std::optional<Error> error_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_F(LateState, MadeInTheBaseCopyIsReplayedFromThereOn) {
  start(Strategy::replay, 8 * kMiB);
  ASSERT_TRUE(trains_until([&] { return stats_.rounds >= 1; })) << why();
  step({0, 5});
  ASSERT_TRUE(trains_until_converged({0, 5})) << why();
  ASSERT_TRUE(freezes_and_verifies({1, 5})) << why();
  EXPECT_GT(standby_.replayed[5], 0);
  EXPECT_THAT(stats_.remark, HasSubstr("model/5"));
  expect_a_replay_to_the_end(512 * kKiB);
}

TEST_F(LateState, MadeWhileTheLogIsShippedIsReplayedFromThereOn) {
  start(Strategy::replay, 16 * kMiB);
  ASSERT_TRUE(trains_until([&] { return stats_.phase == MigrationPhase::replay; })) << why();
  step({0, 5});
  step({1, 6});
  step({5, 7});
  ASSERT_TRUE(trains_until_converged({0, 5, 6, 7})) << why();
  ASSERT_TRUE(freezes_and_verifies({5, 6, 7})) << why();
  for (const std::size_t expert : {5, 6, 7}) EXPECT_GT(standby_.replayed[expert], 0) << expert;
  EXPECT_THAT(stats_.remark, HasSubstr("3 of 7 shards came during the replay"));
  expect_a_replay_to_the_end(kMiB);
}

TEST_F(LateState, MadeAtTheLastStepBeforeTheFreezeTravelsAlone) {
  start(Strategy::replay);
  ASSERT_TRUE(trains_until_converged()) << why();
  step({0, 5});
  ASSERT_TRUE(freezes_and_verifies({1, 2})) << why();
  expect_a_replay_to_the_end(kMiB);
}

TEST_F(LateState, MadeInTheStepThatFreezesTravelsAlone) {
  start(Strategy::replay);
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies({0, 5, 6})) << why();
  EXPECT_THAT(stats_.remark, HasSubstr("model/5"));
  expect_a_replay_to_the_end(2 * kMiB);
}

TEST_F(LateState, MadeInEveryStepOfAMigrationIsFollowed) {
  start(Strategy::replay, 32 * kMiB);
  ASSERT_TRUE(trains_until([&] { return stats_.phase == MigrationPhase::replay; })) << why();
  for (const std::size_t expert : {4, 5, 6, 7}) step({0, expert});
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies({3, 4, 7})) << why();
  expect_a_replay_to_the_end(kMiB);
}

TEST_F(LateState, DroppedDuringTheReplayIsDroppedThere) {
  start(Strategy::replay);
  ASSERT_TRUE(trains_until([&] { return stats_.phase == MigrationPhase::replay; })) << why();
  source_experts_.drop_state(2);
  step({0, 1});
  ASSERT_TRUE(trains_until_converged()) << why();
  source_experts_.drop_state(1);
  ASSERT_TRUE(freezes_and_verifies({0, 3})) << why();
  EXPECT_EQ(stats_.strategy, "replay");
  expect_equal_experts();
}

/// An optimizer that is reset while its state is copied: state of the same names and sizes, in
/// other memory on both sides.
TEST_F(LateState, DroppedAndMadeAgainInOneStepIsWhatTheStandbyTrainsWith) {
  start(Strategy::replay, 8 * kMiB);
  ASSERT_TRUE(trains_until([&] { return stats_.rounds >= 1; })) << why();
  step({0, 1, 2, 3});
  for (std::size_t i = 0; i < 4; ++i) source_experts_.drop_state(i);
  step({0, 1, 2, 3});
  step({0, 1, 2, 3});
  ASSERT_TRUE(trains_until_converged({0, 1, 2, 3})) << why();
  ASSERT_TRUE(freezes_and_verifies({0, 1, 2, 3})) << why();
  expect_equal_experts();
}

TEST_F(LateState, IsLookedForOnceAStepNotAtEverySend) {
  start(Strategy::replay);
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies({0})) << why();
  EXPECT_LE(trainer_.views_taken, trainer_.step() + 4)
      << "the test's own, the link's and the log's";
}

/// The fifth expert is so large that sending it takes longer than the job may stand.
class LargeLateState : public LateState {
 protected:
  LargeLateState() : LateState({64 * kKiB, 64 * kKiB, 64 * kKiB, 64 * kKiB, 6 * kMiB}) {}
  static constexpr std::uint64_t kRate = 16 * kMiB;
  static constexpr double kLimitMs = 300;
};

TEST_F(LargeLateState, PutsOffTheFreezeThatItWouldMakeTooLong) {
  for (const auto strategy : {Strategy::replay, Strategy::rounds}) {
    SCOPED_TRACE(to_string(strategy));
    start(strategy, kRate, kLimitMs);
    ASSERT_TRUE(trains_until_converged()) << why();
    freeze({0, 4});
    ASSERT_TRUE(within(seconds(20), [&] { return put_off_ || verified_ || error_; })) << why();
    ASSERT_TRUE(put_off_) << "stood for " << stats_.bytes_in_downtime << " bytes";
    EXPECT_THAT(*put_off_, HasSubstr("300 ms are allowed"));
    EXPECT_FALSE(frozen_at_) << "nobody may take the trainer for frozen";
    ASSERT_TRUE(trains_until_converged()) << why();
    ASSERT_TRUE(freezes_and_verifies({0, 1})) << why();
    EXPECT_EQ(frozen_at_, trainer_.step());
    EXPECT_EQ(stats_.freezes_put_off, 1U);
    EXPECT_EQ(stats_.strategy, to_string(strategy));
    EXPECT_THAT(stats_.remark, HasSubstr("allowed"));
    EXPECT_LT(stats_.bytes_in_downtime, kMiB);
    expect_equal_experts();
    source_experts_.drop_state(4);
    trainer_.take_step({0});
    converged_ = verified_ = false;
    put_off_.reset();
    frozen_at_.reset();
    error_.reset();  // the target's, whose source has ended
    stats_ = {};
  }
}

/// The probe leaves 4.6 MiB to send, which take 1.2 s; the expert's state makes them 2.7 s.
TEST_F(LargeLateState, EndsAStopCopyThatItWouldMakeTooLong) {
  start(Strategy::stop_copy, kRate / 4, 1900);
  ASSERT_TRUE(trains_until_converged()) << why();
  freeze({0, 4});
  ASSERT_TRUE(within(seconds(20), [&] { return put_off_ || verified_ || error_; })) << why();
  ASSERT_TRUE(put_off_);
  EXPECT_FALSE(trains_until_converged());
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code(), Code::not_converging) << error_->what();
  EXPECT_FALSE(frozen_at_);
}

TEST_F(LargeLateState, DoesNotMatterWithoutALimit) {
  start(Strategy::replay, kRate, 0);
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies({0, 4})) << why();
  EXPECT_FALSE(put_off_);
  EXPECT_EQ(frozen_at_, trainer_.step());
  expect_equal_experts();
}

}  // namespace
}  // namespace cardswap
