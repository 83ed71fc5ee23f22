#include "runtime/session/inventory.h"

#include <gmock/gmock.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A thing of a program, whose own code fails.
class Unreadable : public TrackedState {
 public:
  [[nodiscard]] std::string kind() const override { return "module"; }
  void regions(std::vector<TrackedRegion>&) override {
    throw std::invalid_argument("weight is on another device");
  }
};

/// A model whose weight has two names.
class Tied : public TrackedState {
 public:
  void regions(std::vector<TrackedRegion>& out) override {
    for (const auto* name : {"emb", "head"}) {
      TrackedRegion region;
      region.name = name;
      region.memory = memory_;
      region.storage = memory_.data();
      out.push_back(std::move(region));
    }
  }

 private:
  std::array<std::byte, 8> memory_{};
};

std::string texts(const std::vector<channel::Obstacle>& obstacles) {
  std::string all;
  for (const auto& obstacle : obstacles) all += obstacle.what + "|" + obstacle.hint + "\n";
  return all;
}

TEST(Inventory, SaysThatAnOptimizerCannotBeLookedAt) {
  Tracker tracker;
  Inventory inventory(tracker);
  const int optimizer = 0;
  bool fails = true;
  static bool* now = nullptr;
  now = &fails;
  const auto describe = [](const void*) -> SteppedOptimizer {
    if (*now) throw std::runtime_error("no parameters yet");
    return {};
  };
  ASSERT_TRUE(inventory.before_step(&optimizer, describe, 1));
  EXPECT_THAT(texts(inventory.obstacles(1)), HasSubstr("no parameters yet"));
  fails = false;
  (void)inventory.before_step(&optimizer, describe, 2);
  EXPECT_THAT(texts(inventory.obstacles(2)), Not(HasSubstr("no parameters yet")));
}

TEST(Inventory, CountsMemoryOnceThatTwoTensorsShare) {
  Tracker tracker;
  tracker.add("model", std::make_unique<Tied>());
  Inventory inventory(tracker);
  const auto items = inventory.list({});
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].bytes, 8U);
  EXPECT_EQ(items[0].tensors, 1U);
}

TEST(Inventory, TellsAProgramsMistakeAsTheProgramsWithItsName) {
  Tracker tracker;
  tracker.add("model", std::make_unique<Unreadable>());
  Inventory inventory(tracker);
  const auto all = texts(inventory.obstacles(1));
  EXPECT_THAT(all, HasSubstr("'model': weight is on another device"));
  EXPECT_THAT(all, Not(HasSubstr("unexpected")));
  EXPECT_THAT(all, Not(HasSubstr("defect")));
}

}  // namespace
}  // namespace cardswap
