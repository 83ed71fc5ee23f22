/// Method: both ends of a migration in one process, over real UCX on loopback. Between two rounds,
/// or at the freeze, the source's program has gained or lost a tensor, as optimizers do that make
/// their state late. The standby follows, or says what it cannot follow.

#include <gmock/gmock.h>

#include <cstring>
#include <optional>

#include "migrator/base/mutex.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

/// A program's tensors; each may come and go while a snapshot holds on to it.
class Tensors {
 public:
  void add(Region region, unsigned seed) {
    auto bytes = std::make_shared<std::vector<std::byte>>(region.bytes);
    for (std::size_t i = 0; i < bytes->size(); ++i) {
      (*bytes)[i] = static_cast<std::byte>(i * 31 + seed);
    }
    const MutexLock lock(mutex_);
    regions_.push_back(std::move(region));
    memory_.push_back(std::move(bytes));
  }
  void drop(std::size_t index) {
    const MutexLock lock(mutex_);
    regions_.erase(regions_.begin() + static_cast<std::ptrdiff_t>(index));
    memory_.erase(memory_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  /// Makes or drops tensors until the layout is `wanted`; what stays keeps its bytes.
  void become(const Layout& wanted) {
    std::vector<std::shared_ptr<std::vector<std::byte>>> memory;
    const MutexLock lock(mutex_);
    for (const auto& region : wanted.regions()) {
      std::shared_ptr<std::vector<std::byte>> found;
      for (std::size_t i = 0; i < regions_.size(); ++i) {
        if (regions_[i] == region) found = memory_[i];
      }
      if (!found) found = std::make_shared<std::vector<std::byte>>(region.bytes);
      memory.push_back(std::move(found));
    }
    regions_ = wanted.regions();
    memory_ = std::move(memory);
  }
  [[nodiscard]] StateView state_view() const {
    const MutexLock lock(mutex_);
    StateView result;
    result.layout = Layout(regions_);
    for (const auto& bytes : memory_) {
      result.memory.emplace_back(*bytes);
      result.devices.push_back(shared_cpu_device());
      result.keep_alive.push_back(bytes);
    }
    return result;
  }

 private:
  mutable Mutex mutex_;
  std::vector<Region> regions_ CARDSWAP_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<std::vector<std::byte>>> memory_ CARDSWAP_GUARDED_BY(mutex_);
};

class Trainer final : public SourceProgram {
 public:
  StateView state_view() override { return tensors.state_view(); }
  std::uint64_t step() override { return steps; }
  double median_step_ms() override { return 1; }

  Tensors tensors;
  std::atomic<std::uint64_t> steps{1};
};

class Standby final : public TargetProgram {
 public:
  StateView adopt(const Layout& wanted) override {
    if (follows) tensors.become(wanted);
    return tensors.state_view();
  }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

  Tensors tensors;
  std::atomic<bool> follows{true};
};

class LayoutChange : public ::testing::TestWithParam<Strategy>, protected test::Notes {
 protected:
  void start() {
    target_.emplace(
        TargetOptions{"m", "127.0.0.1", "token", "", milliseconds(3000)}, standby_,
        TargetCallbacks{[this](const VerifiedState&) { note([&] { confirmed_ = true; }); }, {}});
    SourceOptions options;
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    options.token = "token";
    options.spec.strategy = GetParam();
    source_.emplace(options, trainer_,
                    SourceCallbacks{[this](const MigrationStats& stats) {
                                      note([&] { rounds_ = stats.rounds; });
                                    },
                                    [this](double) { note([&] { converged_ = true; }); },
                                    [this](const Digest& state_digest, const MigrationStats&) {
                                      note([&] { state_digest_ = state_digest; });
                                    },
                                    [this](const Error& error) { note([&] { error_ = error; }); }});
  }
  /// Another step, and the round that looks at what it left; stop-copy has none before its freeze.
  void pass_a_round() {
    const auto before = rounds_so_far();
    ++trainer_.steps;
    if (GetParam() == Strategy::stop_copy) return;
    ASSERT_TRUE(until([&] { return rounds_ > before || error_; }));
  }
  void freeze() {
    FrozenState state;
    state.state_view = trainer_.state_view();
    state.values = {std::byte{1}};
    state.step = trainer_.steps;
    source_->freeze(std::move(state));
  }
  void expect_a_verified_copy() {
    ASSERT_TRUE(until([&] { return (state_digest_ && confirmed_) || error_; }));
    ASSERT_FALSE(error_) << error_->what();
    const auto here = trainer_.state_view();
    const auto there = standby_.tensors.state_view();
    ASSERT_EQ(here.layout, there.layout);
    for (std::size_t i = 0; i < here.memory.size(); ++i) {
      EXPECT_TRUE(std::ranges::equal(here.memory[i], there.memory[i]))
          << here.layout.regions()[i].name;
    }
  }
  bool base_copy_is_done() {
    if (GetParam() != Strategy::stop_copy) return until([&] { return error_ || rounds_ >= 1; });
    // Stop-copy offers its freeze when it saw what a step changes.
    const auto limit = Clock::now() + seconds(20) * test::kPatience;
    while (!until([&] { return error_ || converged_; }, milliseconds(5)) && Clock::now() < limit) {
      ++trainer_.steps;
      source_->stepped();
    }
    return until([&] { return error_ || converged_; }, milliseconds(0));
  }
  template <class Condition>
  bool until(Condition condition, Clock::duration limit = seconds(20)) {
    return within(limit, condition);
  }
  std::uint32_t rounds_so_far() {
    return look([&] { return rounds_; });
  }

  Trainer trainer_;
  Standby standby_;
  std::uint32_t rounds_ = 0;
  bool converged_ = false;
  bool confirmed_ = false;
  std::optional<Digest> state_digest_;
  std::optional<Error> error_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

Region weight() { return {"model/weight", "float32", "[1024, 1280]", 5 * kMiB}; }
Region bias() { return {"model/bias", "float32", "[1280]", 5120}; }
Region moment() { return {"optimizer/weight.exp_avg", "float32", "[1024, 1280]", 5 * kMiB}; }

TEST_P(LayoutChange, ATensorThatAppearsBetweenRoundsIsCopied) {
  trainer_.tensors.add(weight(), 1);
  standby_.tensors.add(weight(), 2);
  start();
  ASSERT_TRUE(base_copy_is_done());
  trainer_.tensors.add(moment(), 3);
  trainer_.tensors.add(bias(), 4);
  pass_a_round();
  freeze();
  expect_a_verified_copy();
}

TEST_P(LayoutChange, ATensorThatGoesBetweenRoundsIsDropped) {
  trainer_.tensors.add(moment(), 1);
  trainer_.tensors.add(weight(), 2);
  trainer_.tensors.add(bias(), 3);
  standby_.tensors.become(trainer_.state_view().layout);
  start();
  ASSERT_TRUE(base_copy_is_done());
  trainer_.tensors.drop(0);
  pass_a_round();
  freeze();
  expect_a_verified_copy();
}

TEST_P(LayoutChange, AtTheFreezeItselfIsFollowed) {
  trainer_.tensors.add(weight(), 1);
  trainer_.tensors.add(bias(), 2);
  standby_.tensors.become(trainer_.state_view().layout);
  start();
  ASSERT_TRUE(base_copy_is_done());
  trainer_.tensors.drop(0);
  trainer_.tensors.add(moment(), 3);
  freeze();
  expect_a_verified_copy();
}

TEST_P(LayoutChange, OverAndOverEndsInTheLastOne) {
  trainer_.tensors.add(weight(), 1);
  standby_.tensors.become(trainer_.state_view().layout);
  start();
  ASSERT_TRUE(base_copy_is_done());
  for (unsigned i = 0; i < 10; ++i) {
    i % 2 == 0 ? trainer_.tensors.add(moment(), i) : trainer_.tensors.drop(1);
    pass_a_round();
  }
  trainer_.tensors.add(bias(), 9);
  freeze();
  expect_a_verified_copy();
}

TEST_P(LayoutChange, ThatTheStandbyCannotFollowIsRefusedWithNamesAndShapes) {
  trainer_.tensors.add(weight(), 1);
  standby_.tensors.become(trainer_.state_view().layout);
  start();
  ASSERT_TRUE(base_copy_is_done());
  standby_.follows = false;
  trainer_.tensors.drop(0);
  trainer_.tensors.add({"model/weight", "float32", "[2048, 1280]", 10 * kMiB}, 2);
  trainer_.tensors.add(moment(), 3);
  pass_a_round();
  freeze();
  ASSERT_TRUE(until([&] { return error_ || state_digest_; }));
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code(), Code::layout_differs);
  EXPECT_THAT(error_->failure(),
              AllOf(HasSubstr("model/weight"), HasSubstr("[1024, 1280]"), HasSubstr("[2048, 1280]"),
                    HasSubstr("optimizer/weight.exp_avg")));
  EXPECT_THAT(error_->hint(), HasSubstr("same model"));
  look([&] { EXPECT_FALSE(confirmed_); });
}

INSTANTIATE_TEST_SUITE_P(With, LayoutChange,
                         ::testing::Values(Strategy::rounds, Strategy::stop_copy),
                         [](const auto& info) {
                           return info.param == Strategy::rounds ? "Rounds" : "StopCopy";
                         });

}  // namespace
}  // namespace cardswap
