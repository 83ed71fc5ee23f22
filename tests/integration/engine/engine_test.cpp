/// Method: both ends of a migration in one process, over real UCX on loopback. The "programs" own
/// plain memory; a thread plays the training loop where one is needed.

#include <gmock/gmock.h>

#include <numeric>
#include <thread>

#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/support/memory_programs.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using test::Memory;
using test::MemorySource;
using test::MemoryTarget;

constexpr std::size_t kMiB = 1 << 20;

/// Collects what an engine says; waits for conditions with a limit.
class Heard : public test::Notes {
 public:
  [[nodiscard]] std::string why() {
    return look([&]() -> std::string {
      if (source_error) return source_error->what();
      return target_error ? target_error->what() : "neither side failed, the time was over";
    });
  }

  void forget() {
    note([&] {
      converged = false;
      source_root.reset();
      target_state.reset();
      source_error.reset();
      target_error.reset();
      stats = {};
    });
  }

  bool converged = false;
  std::optional<Digest> source_root;
  std::optional<VerifiedState> target_state;
  std::optional<Error> source_error;
  std::optional<Error> target_error;
  MigrationStats stats;
};

class EngineTest : public ::testing::Test {
 protected:
  void listen(std::string token = "token") {
    target_.emplace(TargetOptions{"m", "127.0.0.1", std::move(token), "", liveness_, data_key_},
                    target_program_,
                    TargetCallbacks{[this](const VerifiedState& state) {
                                      heard_.note([&] { heard_.target_state = state; });
                                    },
                                    [this](const Error& error) {
                                      heard_.note([&] { heard_.target_error = error; });
                                    }});
  }
  void start(SourceOptions options = {}) {
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    if (options.token.empty()) options.token = "token";
    options.silence_max = liveness_;
    options.spec.compression = Compression::off;  // what is counted here is what the regions hold
    if (options.data_key.empty()) options.data_key = data_key_;
    source_.emplace(
        options, source_program_,
        SourceCallbacks{
            [this](const MigrationStats& stats) { heard_.note([&] { heard_.stats = stats; }); },
            [this](double) { heard_.note([&] { heard_.converged = true; }); },
            [this](const Digest& state_digest, const MigrationStats& stats) {
              heard_.note([&] {
                heard_.source_root = state_digest;
                heard_.stats = stats;
              });
            },
            [this](const Error& error) { heard_.note([&] { heard_.source_error = error; }); }});
  }
  /// The program steps meanwhile: no strategy offers a freeze before it saw what a step changes.
  bool converges() {
    const auto is_over = [&] { return heard_.converged || heard_.source_error; };
    const auto until = Clock::now() + seconds(20) * test::kPatience;
    while (!heard_.within(milliseconds(5), is_over) && Clock::now() < until) {
      ++source_program_.step_;
      source_->stepped();
    }
    return heard_.within(milliseconds(0), [&] { return heard_.converged; });
  }
  bool verifies() {
    FrozenState state;
    state.state_view = source_memory_.state_view();
    state.values = {std::byte{1}, std::byte{2}};
    state.step = 77;
    state.last_step_end_ns = Clock::now().time_since_epoch().count();
    source_->freeze(std::move(state));
    return heard_.within(seconds(20), [&] { return heard_.source_root || heard_.source_error; }) &&
           heard_.source_root && heard_.target_state;
  }
  void expect_equal_memory() {
    for (std::size_t i = 0; i < source_memory_.regions.size(); ++i) {
      EXPECT_EQ(source_memory_.regions[i].second, target_memory_.regions[i].second)
          << source_memory_.regions[i].first;
    }
  }

  milliseconds liveness_{3000};
  std::string data_key_;  ///< of both ends; empty: nothing is sealed
  Memory source_memory_;
  Memory target_memory_;
  MemorySource source_program_{source_memory_};
  MemoryTarget target_program_{target_memory_};
  Heard heard_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_F(EngineTest, StopCopySendsEveryByteInTheFreeze) {
  source_memory_.add("w", 5 * kMiB + 3, 1).add("empty", 0, 0).add("b", 7, 2);
  target_memory_.add("w", 5 * kMiB + 3, 9).add("empty", 0, 0).add("b", 7, 9);
  listen();
  start({.spec = {.strategy = Strategy::stop_copy}});
  ASSERT_TRUE(converges()) << heard_.why();
  // The last step changes what the probe of the link has sent already.
  for (auto& [name, bytes] : source_memory_.regions) {
    for (auto& byte : bytes) byte ^= std::byte{1};
  }
  ASSERT_TRUE(verifies()) << heard_.why();
  expect_equal_memory();
  EXPECT_EQ(*heard_.source_root, heard_.target_state->state_digest);
  EXPECT_EQ(heard_.target_state->step, 77U);
  EXPECT_EQ(heard_.stats.bytes_in_downtime, 5 * kMiB + 10 + 2);
  EXPECT_EQ(target_program_.values_, (std::vector{std::byte{1}, std::byte{2}}));
}

TEST_F(EngineTest, RoundsSendWhatAStepChangedAndNeverWhatIsEqual) {
  source_memory_.add("frozen", 20 * kMiB, 1).add("adapter", kMiB, 2);
  target_memory_.add("frozen", 20 * kMiB, 1).add("adapter", kMiB, 3);
  listen();
  std::jthread trainer([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto& adapter = source_memory_.regions[1].second;
      for (auto& byte : adapter) byte = static_cast<std::byte>(std::to_integer<int>(byte) + 1);
      ++source_program_.step_;
      source_program_.step_.notify_all();
    }
  });
  start({.spec = {.strategy = Strategy::rounds}});
  ASSERT_TRUE(converges()) << heard_.why();
  trainer.request_stop();
  trainer.join();
  ASSERT_TRUE(verifies()) << heard_.why();
  expect_equal_memory();
  EXPECT_LE(heard_.stats.bytes_in_downtime, 2 * kMiB);
  EXPECT_GE(heard_.stats.rounds, 2U);
}

TEST_F(EngineTest, ASealedMigrationEndsInTheSameBytes) {
  source_memory_.add("w", 9 * kMiB + 3, 1).add("b", 7, 2);
  target_memory_.add("w", 9 * kMiB + 3, 9).add("b", 7, 9);
  data_key_ = std::string(64, 'c');
  listen();
  start({.spec = {.strategy = Strategy::rounds}});
  ASSERT_TRUE(converges()) << heard_.why();
  ASSERT_TRUE(verifies()) << heard_.why();
  expect_equal_memory();
  EXPECT_EQ(target_program_.values_, (std::vector{std::byte{1}, std::byte{2}}));
}

TEST_F(EngineTest, AnotherKeyIsRefusedByNameAndTheRightOneStillAdmitted) {
  source_memory_.add("w", kMiB, 1);
  target_memory_.add("w", kMiB, 2);
  data_key_ = std::string(64, 'c');
  listen();
  start({.data_key = std::string(64, 'd')});
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::unauthorized);
  EXPECT_THAT(heard_.source_error->failure(), ::testing::HasSubstr("key"));
  EXPECT_FALSE(heard_.target_error.has_value());
  source_.reset();
  heard_.forget();
  start({.spec = {.strategy = Strategy::rounds}});
  ASSERT_TRUE(converges()) << heard_.why();
  EXPECT_TRUE(verifies()) << heard_.why();
}

TEST_F(EngineTest, ADowntimeOverTheLimitNeverConverges) {
  source_memory_.add("w", 8 * kMiB, 1);
  target_memory_.add("w", 8 * kMiB, 2);
  listen();
  source_program_.rewrites_ = true;
  start({.spec = {.strategy = Strategy::rounds, .max_stall_ms = 100, .bandwidth = 32 * kMiB}});
  EXPECT_TRUE(heard_.within(seconds(20), [&] { return heard_.stats.rounds >= 3; }));
  EXPECT_FALSE(heard_.converged);
  EXPECT_GT(heard_.stats.expected_downtime_ms, 100);
}

TEST_F(EngineTest, RoundsEndAfterAsManyAsAreAllowed) {
  source_memory_.add("w", 8 * kMiB, 1);
  target_memory_.add("w", 8 * kMiB, 2);
  listen();
  source_program_.rewrites_ = true;
  start({.spec = {.strategy = Strategy::rounds,
                  .max_stall_ms = 100,
                  .bandwidth = 64 * kMiB,
                  .max_rounds = 2}});
  ASSERT_TRUE(heard_.within(seconds(20), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::not_converging);
  EXPECT_THAT(heard_.source_error->failure(), ::testing::HasSubstr("after 2 a freeze would take"));
  EXPECT_FALSE(heard_.converged);
  EXPECT_EQ(heard_.stats.rounds, 2U);
}

TEST_F(EngineTest, ALimitThatNoStrategyKeepsIsRefusedBeforeTheStateGoesOver) {
  source_memory_.add("w", 64 * kMiB, 1);
  target_memory_.add("w", 64 * kMiB, 2);
  listen();
  source_program_.rewrites_ = true;
  start({.spec = {.max_stall_ms = 50, .bandwidth = 32 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(20), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::not_converging);
  EXPECT_THAT(heard_.source_error->failure(),
              ::testing::AllOf(::testing::HasSubstr("no strategy keeps each step of the job within "
                                                    "50 ms on this link: rounds would stop it for"),
                               ::testing::HasSubstr("as each step changes 64.0 of 64.0 MiB")));
  EXPECT_THAT(heard_.source_error->hint(), ::testing::HasSubstr("allow more with --max-stall"));
  EXPECT_FALSE(heard_.converged);
  EXPECT_EQ(heard_.stats.rounds, 0U);
  EXPECT_LE(heard_.stats.transferred, 24 * kMiB) << "two probes of the link";
}

TEST_F(EngineTest, AStateOfWhichAStepChangesLittleGoesByRoundsThoughAllOfItWouldNotFit) {
  for (auto* memory : {&source_memory_, &target_memory_}) {
    memory->add("w", kMiB / 2, memory == &source_memory_ ? 1 : 2);
    memory->add("frozen", 16 * kMiB, memory == &source_memory_ ? 1 : 2);
  }
  listen();
  source_program_.rewrites_ = true;
  start({.spec = {.max_stall_ms = 100, .bandwidth = 32 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(20), [&] { return heard_.converged; }));
  EXPECT_EQ(heard_.stats.strategy, "rounds");
  EXPECT_FALSE(heard_.source_error.has_value());
}

/// A quarter of a second where a fifth is allowed: too near to be refused by what a probe says.
TEST_F(EngineTest, RoundsInVainEndWhereNobodyAskedForThem) {
  source_memory_.add("w", 8 * kMiB, 1);
  target_memory_.add("w", 8 * kMiB, 2);
  listen();
  source_program_.rewrites_ = true;
  start({.spec = {.max_stall_ms = 200, .bandwidth = 32 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(20), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::not_converging);
  EXPECT_THAT(heard_.source_error->failure(), ::testing::HasSubstr("did not converge: after "));
  EXPECT_FALSE(heard_.converged);
}

/// That a cap is used to the full is RateCap's own test, which brings the clock; here a slow
/// machine may be slower.
TEST_F(EngineTest, ABandwidthCapIsNotExceeded) {
  source_memory_.add("w", 64 * kMiB, 1);
  target_memory_.add("w", 64 * kMiB, 2);
  listen();
  const auto start_time = Clock::now();
  start({.spec = {.strategy = Strategy::rounds, .bandwidth = 32 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(20), [&] { return heard_.stats.rounds >= 1; }));
  const std::chrono::duration<double> took = Clock::now() - start_time;
  EXPECT_GE(took.count(), 2 * 0.95);
  EXPECT_GT(heard_.stats.rate, 0U);
  EXPECT_LE(static_cast<double>(heard_.stats.rate), 1.05 * 32 * kMiB);
}

TEST_F(EngineTest, AWrongTokenIsRefusedAndTheRightOneStillAdmitted) {
  source_memory_.add("w", kMiB, 1);
  target_memory_.add("w", kMiB, 2);
  listen();
  start({.token = "wrong"});
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::unauthorized);
  EXPECT_FALSE(heard_.target_error.has_value());
  source_.reset();
  heard_.source_error.reset();
  heard_.stats = {};
  start({.spec = {.strategy = Strategy::rounds}});
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.stats.rounds >= 1; }));
  EXPECT_TRUE(verifies()) << heard_.why();
}

TEST_F(EngineTest, ALayoutThatDiffersIsRefusedWithItsNames) {
  source_memory_.add("encoder.weight", kMiB, 1);
  target_memory_.add("encoder.weight", 2 * kMiB, 2);
  listen();
  start();
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::layout_differs);
  EXPECT_THAT(heard_.source_error->failure(), ::testing::HasSubstr("encoder.weight"));
}

TEST_F(EngineTest, ValuesThatDoNotComeBackAsTheyWereSentStopTheMigration) {
  source_memory_.add("w", kMiB, 1);
  target_memory_.add("w", kMiB, 2);
  target_program_.forgets_values_ = true;
  listen();
  start({.spec = {.strategy = Strategy::stop_copy}});
  ASSERT_TRUE(converges());
  EXPECT_FALSE(verifies());
  ASSERT_TRUE(heard_.source_error.has_value());
  EXPECT_EQ(heard_.source_error->code(), Code::digest_mismatch);
  EXPECT_FALSE(heard_.target_state.has_value());
}

/// It takes no step at all: what one would change is never seen.
TEST_F(EngineTest, AutoLooksAtAProgramThatStandsForAWhileAndGoesOnByRounds) {
  source_memory_.add("w", 4 * kMiB, 1);
  target_memory_.add("w", 4 * kMiB, 2);
  listen();
  start({.spec = {.strategy = Strategy::automatic, .max_stall_ms = 1, .bandwidth = 8 * kMiB}});
  EXPECT_TRUE(
      heard_.within(seconds(20), [&] { return heard_.stats.rounds >= 1 || heard_.source_error; }))
      << to_string(heard_.stats.phase) << ": it looks on and on";
  EXPECT_FALSE(heard_.source_error) << heard_.why();
  EXPECT_THAT(heard_.stats.remark, ::testing::HasSubstr("by rounds: the job took no step for"));
}

TEST_F(EngineTest, ADeadTargetFailsTheSourceWithinTwoSeconds) {
  source_memory_.add("w", 32 * kMiB, 1);
  target_memory_.add("w", 32 * kMiB, 2);
  listen();
  start({.spec = {.strategy = Strategy::rounds, .bandwidth = 8 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.stats.transferred > kMiB; }));
  target_.reset();
  ASSERT_TRUE(heard_.within(seconds(2), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::link_lost);
}

TEST_F(EngineTest, ACancelledSourceEndsInTimeAndTellsTheTarget) {
  source_memory_.add("w", 64 * kMiB, 1);
  target_memory_.add("w", 64 * kMiB, 2);
  listen();
  start({.spec = {.strategy = Strategy::rounds, .bandwidth = 8 * kMiB}});
  ASSERT_TRUE(heard_.within(seconds(10), [&] { return heard_.stats.transferred > kMiB; }));
  const auto before = Clock::now();
  source_.reset();
  EXPECT_LT(Clock::now() - before, seconds(1));
  ASSERT_TRUE(heard_.within(seconds(4), [&] { return heard_.target_error.has_value(); }));
}

TEST_F(EngineTest, NobodyListeningIsUnreachable) {
  source_memory_.add("w", kMiB, 1);
  target_memory_.add("w", kMiB, 2);
  listen();
  const auto port = target_->port();
  target_.reset();
  listen();  // another port; `start` would use it
  SourceOptions options;
  options.migration = "m";
  options.host = "127.0.0.1";
  options.port = port;
  options.token = "token";
  source_.emplace(options, source_program_,
                  SourceCallbacks{{}, {}, {}, [this](const Error& error) {
                                    heard_.note([&] { heard_.source_error = error; });
                                  }});
  ASSERT_TRUE(heard_.within(seconds(5), [&] { return heard_.source_error.has_value(); }));
  EXPECT_EQ(heard_.source_error->code(), Code::unreachable);
}

}  // namespace
}  // namespace cardswap
