/// Method: both ends of a snapshot in one process, over real UCX on loopback, on a link of which a
/// cap makes a slow one. The source's program goes on when the engine has copied what it was, and
/// overwrites all of it before much can have gone.

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/support/memory_programs.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Memory;

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kValues = 2;

/// A program that passes a boundary whenever it is asked for its step, and rewrites its first
/// region there until it stands.
class Stepping final : public SourceProgram {
 public:
  explicit Stepping(Memory& memory) : memory_(memory) {}
  StateView state_view() override {
    auto& bytes = memory_.regions[0].second;
    std::ranges::fill(bytes, static_cast<std::byte>(++step_));
    auto view = memory_.state_view();
    view.step = step_;
    return view;
  }
  std::uint64_t step() override { return ++step_; }
  double median_step_ms() override { return 1; }

 private:
  Memory& memory_;
  std::uint64_t step_ = 0;  // of the engine's thread
};

class CopiedFreezeTest : public ::testing::Test, protected test::Notes {
 protected:
  void listen() {
    target_.emplace(
        TargetOptions{"m", "127.0.0.1", "token", "", silence_, {}}, target_program_,
        TargetCallbacks{[this](const VerifiedState& state) { note([&] { held_ = state; }); },
                        [](const Error&) {}});
  }
  void start(MigrationSpec spec, std::uint64_t copy_bytes_max) {
    SourceOptions options;
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    options.token = "token";
    options.silence_max = silence_;
    options.spec = std::move(spec);
    options.spec.store = "file:/store";
    options.spec.compression = Compression::off;
    options.spec.max_stall_ms = 0;
    options.copy_bytes_max = copy_bytes_max;
    SourceCallbacks callbacks;
    callbacks.progress = [this](const MigrationStats& stats) { note([&] { stats_ = stats; }); };
    callbacks.converged = [this](double) { note([&] { converged_ = true; }); };
    callbacks.frozen = [this](std::uint64_t) { note([&] { stands_ = true; }); };
    callbacks.copied = [this](std::uint64_t step) { note([&] { copied_ = step; }); };
    callbacks.verified = [this](const Digest& digest, const MigrationStats& stats) {
      note([&] {
        root_ = digest;
        stats_ = stats;
      });
    };
    callbacks.failed = [this](const Error& error) { note([&] { error_ = error; }); };
    source_.emplace(std::move(options), program_, std::move(callbacks));
  }
  /// Freezes the program, and has it overwrite its memory as soon as it may go on.
  void freeze_and_go_on() {
    ASSERT_TRUE(within(seconds(20), [&] { return converged_ || error_; }));
    ASSERT_FALSE(error_) << error_->what();
    FrozenState state;
    state.state_view = memory_.state_view();
    state.values = {std::byte{1}, std::byte{2}};
    state.step = 77;
    was_ = memory_.regions;
    source_->freeze(std::move(state));
    ASSERT_TRUE(within(seconds(20), [&] { return copied_ || error_; }));
    ASSERT_FALSE(error_) << error_->what();
    for (auto& [name, bytes] : memory_.regions) std::ranges::fill(bytes, std::byte{99});
  }
  void expect_what_it_was() {
    ASSERT_TRUE(within(seconds(20), [&] { return root_ || error_; }));
    ASSERT_FALSE(error_) << error_->what();
    EXPECT_EQ(copied_, 77U);
    EXPECT_FALSE(stands_);
    ASSERT_TRUE(within(seconds(5), [&] { return held_.has_value(); }));
    EXPECT_EQ(held_->state_digest, *root_);
    EXPECT_EQ(held_->step, 77U);
    for (std::size_t i = 0; i < was_.size(); ++i) {
      EXPECT_EQ(was_[i].second, target_memory_.regions[i].second) << was_[i].first;
    }
  }

  milliseconds silence_{20'000};
  Memory memory_;
  Memory target_memory_;
  Stepping program_{memory_};
  test::MemoryTarget target_program_{target_memory_};
  decltype(Memory::regions) was_;
  bool converged_ = false;
  bool stands_ = false;
  std::optional<std::uint64_t> copied_;
  std::optional<Digest> root_;
  std::optional<VerifiedState> held_;
  std::optional<Error> error_;
  MigrationStats stats_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_F(CopiedFreezeTest, SendsWhatTheProgramWasOnceAndAfterItWentOn) {
  memory_.add("w", 8 * kMiB, 1).add("empty", 0, 0).add("b", 7, 2);
  target_memory_.add("w", 8 * kMiB, 9).add("empty", 0, 0).add("b", 7, 9);
  listen();
  start({.strategy = Strategy::rounds, .bandwidth = 4 * kMiB}, 64 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  EXPECT_FALSE(look([&] { return root_.has_value(); })) << "it stood until all was sent";
  EXPECT_LT(look([&] { return stats_.transferred; }), 8 * kMiB);
  ASSERT_NO_FATAL_FAILURE(expect_what_it_was());
  EXPECT_EQ(stats_.copied_bytes, 8 * kMiB + 7);
  EXPECT_EQ(stats_.transferred, 8 * kMiB + 7 + kValues) << "each byte once";
  EXPECT_EQ(stats_.bytes_in_downtime, 0U);
  EXPECT_EQ(stats_.rounds, 0U);
}

TEST_F(CopiedFreezeTest, SendsAheadWhatNoStepChanges) {
  memory_.add("adapter", kMiB, 1).add("frozen", 12 * kMiB, 2);
  target_memory_.add("adapter", kMiB, 9).add("frozen", 12 * kMiB, 9);
  listen();
  start({.strategy = Strategy::rounds}, 64 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  ASSERT_NO_FATAL_FAILURE(expect_what_it_was());
  EXPECT_EQ(stats_.copied_bytes, kMiB);
  EXPECT_EQ(stats_.transferred, 13 * kMiB + kValues) << "each byte once";
  EXPECT_EQ(stats_.rounds, 1U);
}

TEST_F(CopiedFreezeTest, StandsForWhatFindsNoRoom) {
  memory_.add("w", 8 * kMiB, 1);
  target_memory_.add("w", 8 * kMiB, 9);
  listen();
  start({.strategy = Strategy::rounds}, 3 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  ASSERT_NO_FATAL_FAILURE(expect_what_it_was());
  EXPECT_EQ(stats_.copied_bytes, 3 * kMiB);
  EXPECT_EQ(stats_.bytes_in_downtime, 5 * kMiB);
  EXPECT_EQ(stats_.transferred, 8 * kMiB + kValues);
}

TEST_F(CopiedFreezeTest, CopiesAllOfAStopCopy) {
  memory_.add("w", 2 * kMiB + 5, 1);
  target_memory_.add("w", 2 * kMiB + 5, 9);
  listen();
  start({.strategy = Strategy::stop_copy}, 64 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  ASSERT_NO_FATAL_FAILURE(expect_what_it_was());
  EXPECT_EQ(stats_.copied_bytes, 2 * kMiB + 5);
}

/// More than the last step let expect: a region that is new.
TEST_F(CopiedFreezeTest, CopiesStateThatTheLastStepMade) {
  memory_.add("w", 2 * kMiB, 1);
  target_memory_.add("w", 2 * kMiB, 9);
  listen();
  start({.strategy = Strategy::rounds}, 64 * kMiB);
  ASSERT_TRUE(within(seconds(20), [&] { return converged_; }));
  memory_.add("moment", kMiB, 3);
  target_memory_.add("moment", kMiB, 0);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  ASSERT_NO_FATAL_FAILURE(expect_what_it_was());
}

TEST_F(CopiedFreezeTest, FailsWithItsTargetWhileTheProgramGoesOn) {
  memory_.add("w", 8 * kMiB, 1);
  target_memory_.add("w", 8 * kMiB, 9);
  listen();
  start({.strategy = Strategy::rounds, .bandwidth = 2 * kMiB}, 64 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  target_.reset();
  ASSERT_TRUE(within(seconds(20), [&] { return error_.has_value(); }));
  EXPECT_EQ(error_->code(), Code::link_lost);
  EXPECT_FALSE(root_);
}

/// It is the copy that is given up: its link has let go of it.
TEST_F(CopiedFreezeTest, EndsInTimeInTheMiddleOfACopyThatIsSent) {
  memory_.add("w", 16 * kMiB, 1);
  target_memory_.add("w", 16 * kMiB, 9);
  listen();
  start({.strategy = Strategy::rounds, .bandwidth = 2 * kMiB}, 64 * kMiB);
  ASSERT_NO_FATAL_FAILURE(freeze_and_go_on());
  const auto before = std::chrono::steady_clock::now();
  source_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(1) * test::kPatience);
}

}  // namespace
}  // namespace cardswap
