#include <cardswap/torch.h>
#include <gmock/gmock.h>

#include <cstring>

#include "runtime/tracker.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;

/// Tied weights, as a model registers them, and parameters that are parts of one memory.
struct Shares : torch::nn::Module {
  explicit Shares(bool is_tied = true) {
    embedding = register_parameter("embedding", torch::randn({4, 2}));
    head = register_parameter("head", is_tied ? embedding : torch::randn({4, 2}));
    const auto memory = torch::randn({6});
    first = register_parameter("first", memory.slice(0, 0, 3).detach());
    second = register_parameter("second", memory.slice(0, 3, 6).detach());
  }
  torch::Tensor embedding, head, first, second;
};

TEST(SharedTensors, AreToldWithTheirPlacesAndSentOnce) {
  Shares shares;
  Tracker tracker;
  tracker.add("model", tracked_module(shares));
  std::vector<std::string> told;
  std::uint64_t bytes = 0;
  for (const auto& region : tracker.state_view().layout.regions()) {
    if (region.dtype == "module") continue;
    told.push_back(region.name + ": " + region.dtype + " " + region.shape);
    bytes += region.bytes;
  }
  EXPECT_THAT(told, ElementsAre("model/embedding: Float [4, 2]",
                                "model/head: shared tensor Float [4, 2] of model/embedding",
                                "model/first: Float [3]",
                                "model/second: shared tensor Float [3] from 3 of model/first"));
  EXPECT_EQ(bytes, (8 + 6) * sizeof(float));
}

TEST(SharedTensors, ArriveWhereTheyAreSharedInTheSameWay) {
  Shares from;
  Shares to;
  Tracker source;
  source.add("model", tracked_module(from));
  Tracker target;
  target.add("model", tracked_module(to));
  const auto here = source.state_view();
  const auto there = target.adopt(here.layout);
  ASSERT_EQ(there.layout, here.layout);
  for (std::size_t i = 0; i < here.memory.size(); ++i) {
    if (here.memory[i].empty()) continue;
    std::memcpy(there.memory[i].data(), here.memory[i].data(), here.memory[i].size());
  }
  EXPECT_TRUE(torch::equal(from.head, to.embedding));
  EXPECT_TRUE(torch::equal(from.second, to.second));
}

TEST(SharedTensors, DifferWhereTheTargetSharesNothing) {
  Shares from;
  Shares to(false);
  Tracker source;
  source.add("model", tracked_module(from));
  Tracker target;
  target.add("model", tracked_module(to));
  const auto here = source.state_view().layout;
  EXPECT_THAT(
      differences(here, target.adopt(here).layout),
      ElementsAre("model/head: shared tensor Float [4, 2] of model/embedding (0 bytes) on the "
                  "source, Float [4, 2] (32 bytes) on the target"));
}

}  // namespace
}  // namespace cardswap
