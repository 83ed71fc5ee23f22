/// Method: both ends of a migration in one process, over real UCX on loopback. The program gives
/// its gradients to the log as they come, waits until the engine says that they went, and then does
/// to them what programs do before the optimizer reads them.

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "migrator/core/factor.h"
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

constexpr std::size_t kKiB = 1U << 10U;
constexpr std::size_t kMiB = 1U << 20U;
constexpr std::size_t kExperts = 4;
constexpr std::size_t kGradient = 256 * kKiB;
const test::Chosen kAll{0, 1, 2, 3};

/// What a program does to a gradient that has gone early.
using Afterwards = std::function<void(test::Bytes& gradient, std::uint64_t step)>;

class EarlyGradients : public ::testing::Test, protected test::Notes {
 protected:
  EarlyGradients() {
    trainer_.take_step(kAll);
    standby_.adopt(trainer_.state_view().layout);
  }

  void start(std::uint64_t bandwidth = 0) {
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
    options.spec.strategy = Strategy::replay;
    options.spec.chunk_bytes = 64 * kKiB;
    options.spec.bandwidth = bandwidth;
    options.spec.compression = Compression::off;
    options.spec.max_stall_ms = 0;
    options.spec.timeout_ms = timeout_ms_;
    options.silence_max = seconds(10);
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
    source_.emplace(options, trainer_, std::move(events));
  }

  /// From here on gradients go to the log as they come.
  void give_early(Afterwards afterwards = {}) {
    trainer_.in_backward = [this, afterwards = std::move(afterwards)](
                               UpdateLog& log, std::uint64_t step, auto& gradients) {
      std::uint64_t given = 0;
      for (auto& [expert, gradient] : gradients) {
        fill(*gradient, step);
        if (expert >= how_many_()) continue;
        const auto parameter = static_cast<ParameterId>(expert);
        if (log.append_early(step, parameter, gradient->size(), [&, &made = gradient] {
              const auto copy = std::make_shared<test::Bytes>(*made);
              return CapturedGradient{parameter, *copy, copy};
            })) {
          given += gradient->size();
        }
      }
      if (given != 0) {
        early_ += given;
        ++early_steps_;
        EXPECT_TRUE(within(seconds(20), [&] { return stats_.early_bytes >= early_ || error_; }))
            << "they did not go before their step";
      }
      if (!afterwards) return;
      for (auto& [expert, gradient] : gradients) afterwards(*gradient, step);
    };
  }
  /// Numbers, such as a gradient has.
  static void fill(test::Bytes& gradient, std::uint64_t step) {
    for (std::size_t i = 0; i < gradient.size() / sizeof(float); ++i) {
      const float value = static_cast<float>(i % 997 + step) / 331.0F - 1.5F;
      std::memcpy(gradient.data() + i * sizeof(float), &value, sizeof(value));
    }
  }

  bool trains_until(const std::function<bool()>& condition) {
    const auto until = Clock::now() + seconds(20) * test::kPatience;
    while (!within(milliseconds(2), [&] { return condition() || error_; }) &&
           Clock::now() < until) {
      trainer_.take_step(kAll);
      source_->stepped();
    }
    return look([&] { return condition() && !error_; });
  }
  bool freezes_and_verifies() {
    trainer_.take_step(kAll, true);
    FrozenState state;
    state.state_view = trainer_.state_view();
    state.step = trainer_.step();
    state.last_step_end_ns = Clock::now().time_since_epoch().count();
    source_->freeze(std::move(state));
    return within(seconds(20), [&] { return verified_ || error_; }) && verified_;
  }
  std::string why() {
    return look([&]() -> std::string {
      return error_ ? error_->what()
                    : "nobody failed, the time was over in " + std::string(to_string(stats_.phase));
    });
  }
  /// Moves it, once gradients went early in so many steps, and the last step's too.
  void move(std::uint64_t steps, std::uint64_t bandwidth = 0) {
    start(bandwidth);
    ASSERT_TRUE(trains_until([&] { return converged_ && early_steps_ >= steps; })) << why();
    ASSERT_TRUE(freezes_and_verifies()) << why();
    EXPECT_EQ(stats_.strategy, "replay");
    EXPECT_EQ(stats_.shards_not_replayed, 0U) << stats_.not_replayed;
    EXPECT_LE(stats_.bytes_in_downtime, 64 * kKiB) << "nothing was wrong in the end";
    source_.reset();
    target_.reset();
    const auto here = source_experts_.view();
    const auto there = target_experts_.view();
    for (std::size_t i = 0; i < here.memory.size(); ++i) {
      EXPECT_TRUE(std::ranges::equal(here.memory[i], there.memory[i]))
          << here.layout.regions()[i].name;
    }
  }

  test::Experts source_experts_{std::vector<std::size_t>(kExperts, kGradient), 31};
  test::Experts target_experts_{std::vector<std::size_t>(kExperts, kGradient), 17};
  test::Trainer trainer_{source_experts_};
  test::Standby standby_{target_experts_};
  /// Of a step's gradients, that are given early.
  std::function<std::size_t()> how_many_ = [] { return kExperts; };
  double timeout_ms_ = 0;
  std::uint64_t early_ = 0;
  std::uint64_t early_steps_ = 0;
  bool converged_ = false;
  bool verified_ = false;
  MigrationStats stats_;
  std::optional<Error> error_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_F(EarlyGradients, ThatNobodyChangesAreSentOnceAndBeforeTheirStep) {
  give_early();
  move(3);
  EXPECT_EQ(stats_.early_bytes, early_);
  EXPECT_EQ(stats_.resent_bytes, 0U);
  EXPECT_GE(early_steps_, 3U);
}

TEST_F(EarlyGradients, ThatAreClippedByOneFactorAreNotSentAgain) {
  give_early([](test::Bytes& gradient, std::uint64_t step) {
    multiply(FactorKind::float32, gradient, 1.0F / static_cast<float>(step + 2));
  });
  move(4);
  EXPECT_EQ(stats_.early_bytes, early_);
  EXPECT_EQ(stats_.resent_bytes, 0U);
  EXPECT_GE(early_steps_, 4U);
}

TEST_F(EarlyGradients, ThatAreChangedOtherwiseAreSentAgainAndNotForLong) {
  give_early([](test::Bytes& gradient, std::uint64_t step) {
    gradient[step % gradient.size()] ^= std::byte{0x40};
  });
  move(3);
  EXPECT_LE(early_steps_, 4U) << "in vain each time: what comes behind the third may have begun";
  EXPECT_EQ(stats_.early_bytes, early_);
  EXPECT_EQ(stats_.resent_bytes, stats_.early_bytes);
}

/// One of them has another value; the others are as they were.
TEST_F(EarlyGradients, ThatBecomeStaleAreNeverApplied) {
  give_early([](test::Bytes& gradient, std::uint64_t step) {
    if (step % 2 == 0) std::ranges::fill(gradient, static_cast<std::byte>(step));
  });
  move(6);
  EXPECT_GT(stats_.resent_bytes, 0U);
  EXPECT_LT(stats_.resent_bytes, stats_.early_bytes);
}

/// Given for a step that the optimizer then does not take: a later one has other gradients.
TEST_F(EarlyGradients, OfAStepThatIsNotTakenAreDropped) {
  give_early();
  const auto give = trainer_.in_backward;
  trainer_.in_backward = [&](UpdateLog& log, std::uint64_t step, auto& gradients) {
    give(log, step, gradients);
    if (step % 3 == 0) gradients.clear();
  };
  move(6);
  EXPECT_GT(stats_.resent_bytes, 0U);
}

/// The last step's wait, with all of its gradients still to go and with none of them.
TEST_F(EarlyGradients, LeaveTheLastStepLittleToWaitFor) {
  constexpr std::uint64_t kRate = 10 * kMiB;  // a step's gradients take 100 ms
  move(0, kRate);
  const auto held = stats_.log_wait_ms;
  stats_ = {};
  converged_ = verified_ = false;
  error_.reset();
  give_early();
  move(3, kRate);
  EXPECT_LT(stats_.log_wait_ms, held / 2) << "held for " << held << " ms without";
  EXPECT_GE(stats_.early_bytes, early_steps_ * kExperts * kGradient);
}

/// Method: of each step one gradient more goes ahead than of the one before, on a link that takes
/// all of them half of what a step is said to take; no step begins before the one before is done at
/// the target, as it would be by then. Told how many steps' gradients went ahead until a freeze was
/// offered; where half of the time that the migration may take is over, that is at once.
TEST_F(EarlyGradients, AreWaitedForWhileEachStepLeavesLessThanTheOneBefore) {
  trainer_.step_ms = 200;
  how_many_ = [this] { return std::min<std::size_t>(1 + early_steps_, kExperts); };
  give_early();
  const auto give = trainer_.in_backward;
  trainer_.in_backward = [&](UpdateLog& log, std::uint64_t step, auto& gradients) {
    EXPECT_TRUE(within(seconds(20),
                       [&] { return log.stats().held_bytes == 0 || log.is_closed() || error_; }));
    give(log, step, gradients);
  };
  const auto steps_until_the_offer = [this](double timeout_ms) {
    timeout_ms_ = timeout_ms;
    start(10 * kMiB);
    EXPECT_TRUE(trains_until([&] { return converged_; })) << why();
    source_.reset();
    target_.reset();
    converged_ = false;
    error_.reset();
    stats_ = {};
    early_ = 0;
    return std::exchange(early_steps_, 0);
  };
  const auto at_once = steps_until_the_offer(1);
  EXPECT_GE(at_once, 1U);
  EXPECT_GE(steps_until_the_offer(0), at_once + 4);
}

/// A limit that all of a step's gradients exceed and what is left of them does not.
TEST_F(EarlyGradients, ShortenWhatAFreezeIsExpectedToTake) {
  constexpr std::uint64_t kRate = 10 * kMiB;
  move(0, kRate);
  const auto expected = stats_.expected_downtime_ms;
  stats_ = {};
  converged_ = verified_ = false;
  error_.reset();
  give_early();
  start(kRate);
  ASSERT_TRUE(trains_until([&] {
    return converged_ && early_steps_ >= 6 && stats_.expected_downtime_ms < 0.6 * expected;
  })) << why()
      << expected << " ms without, " << stats_.expected_downtime_ms;
}

}  // namespace
}  // namespace cardswap
