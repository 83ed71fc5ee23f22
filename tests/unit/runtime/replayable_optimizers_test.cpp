#include "runtime/replayable_optimizers.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "runtime/tracker.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// An optimizer of as many parameters of four bytes as `memory` has room for, whose update rewrites
/// each alone.
class Plain final : public TrackedState, public ReplayableOptimizer {
 public:
  explicit Plain(std::span<std::byte> memory) : memory_(memory) {}
  void regions(std::vector<TrackedRegion>& out) override {
    for (std::size_t i = 0; i < parameter_count(); ++i) {
      const auto part = memory_.subspan(4 * i, 4);
      out.push_back({std::to_string(i), "Float", "[1]", part, part.data(), {}});
    }
  }
  [[nodiscard]] ReplayableOptimizer* replayable() override { return this; }
  [[nodiscard]] bool is(const void* optimizer) const override { return optimizer == this; }
  [[nodiscard]] std::vector<std::vector<const void*>> rewritten() override {
    std::vector<std::vector<const void*>> all;
    for (std::size_t i = 0; i < parameter_count(); ++i) all.push_back({memory_.data() + 4 * i});
    return all;
  }
  [[nodiscard]] std::size_t parameter_count() override { return memory_.size() / 4; }
  [[nodiscard]] TrackedUpdate capture() override {
    return {{}, {{static_cast<std::uint32_t>(parameter_count() - 1), memory_.last(4), {}, {}}}};
  }
  void give_early(GradientSink its_sink) override { sink = std::move(its_sink); }
  void replay(const TrackedUpdate& update) override {
    for (const auto& gradient : update.gradients) replayed.push_back(gradient.parameter);
  }

  GradientSink sink;
  std::vector<std::uint32_t> replayed;

 private:
  std::span<std::byte> memory_;
};

class ReplayableOptimizersTest : public ::testing::Test {
 protected:
  ReplayableOptimizersTest() {
    tracker_.add("buffer", std::make_unique<Plain>(std::span<std::byte>()));
    one_ = add("one", one_memory_);
    two_ = add("two", two_memory_);
  }
  Plain* add(const char* name, std::span<std::byte> memory) {
    auto made = std::make_unique<Plain>(memory);
    auto* plain = made.get();
    tracker_.add(name, std::move(made));
    return plain;
  }
  static ReceivedUpdate update_of(std::uint32_t optimizer, std::uint32_t parameter) {
    ReceivedUpdate update;
    update.optimizer = optimizer;
    update.gradients.push_back({ParameterId{parameter}, {}, {}});
    return update;
  }

  std::vector<std::byte> one_memory_ = std::vector<std::byte>(12);
  std::vector<std::byte> two_memory_ = std::vector<std::byte>(8);
  Tracker tracker_;
  Plain* one_ = nullptr;  // parameters 0 to 2
  Plain* two_ = nullptr;  // 3 and 4
};

TEST_F(ReplayableOptimizersTest, CountParametersOverAllOfThem) {
  const auto shards = tracker_.shards();
  ASSERT_THAT(shards, SizeIs(5));
  EXPECT_EQ(shards[3].parameter, ParameterId{3});
  EXPECT_THAT(shards[3].regions, ElementsAre(RegionId{3}));
  const auto entry = tracker_.optimizers().capture(two_);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->optimizer, 2U);
  ASSERT_THAT(entry->gradients, SizeIs(1));
  EXPECT_EQ(entry->gradients[0].parameter, ParameterId{4});
}

TEST_F(ReplayableOptimizersTest, CaptureNothingOfAnOptimizerThatIsNotTracked) {
  EXPECT_FALSE(tracker_.optimizers().capture(this));
}

TEST_F(ReplayableOptimizersTest, ReplayAnUpdateOnItsOwnOptimizerAlone) {
  tracker_.optimizers().replay(update_of(2, 4));
  EXPECT_THAT(two_->replayed, ElementsAre(1U));
  EXPECT_THAT(one_->replayed, IsEmpty());
}

TEST_F(ReplayableOptimizersTest, RefuseAnUpdateOfWhatIsNotThere) {
  EXPECT_THROW(tracker_.optimizers().replay(update_of(3, 4)), Error);
  EXPECT_THROW(tracker_.optimizers().replay(update_of(2, 2)), Error) << "the one's";
  EXPECT_THROW(tracker_.optimizers().replay(update_of(2, 5)), Error);
  EXPECT_THAT(two_->replayed, IsEmpty());
}

TEST_F(ReplayableOptimizersTest, GiveGradientsEarlyUnderTheirWholeNumber) {
  std::vector<ParameterId> given;
  tracker_.optimizers().give_early(
      [&](ParameterId parameter, std::uint64_t, const std::function<CapturedGradient()>& copy) {
        given.push_back(parameter);
        EXPECT_EQ(copy().parameter, parameter);
      });
  ASSERT_TRUE(two_->sink);
  two_->sink(1, 4, [this] { return TrackedGradient{1, two_memory_, {}, {}}; });
  EXPECT_THAT(given, ElementsAre(ParameterId{4}));
  tracker_.optimizers().give_early({});
  EXPECT_FALSE(two_->sink);
}

}  // namespace
}  // namespace cardswap
