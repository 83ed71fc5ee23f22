#include "migrator/engine/update_queue.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "migrator/core/error.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kMost = 1000;

data::Update update_of(std::uint64_t number, std::vector<std::uint64_t> gradient_bytes,
                       std::uint64_t base_chunks = 0) {
  data::Update update;
  update.number = number;
  update.step = number;
  update.base_chunks = base_chunks;
  for (std::uint32_t i = 0; i < gradient_bytes.size(); ++i) {
    update.gradients.push_back({i, gradient_bytes[i]});
  }
  return update;
}

Buffer host(ParameterId, std::size_t bytes) { return cpu_device().allocate(bytes); }

void land(UpdateQueue& queue, const data::GradientHeader& header, std::size_t bytes,
          std::byte with) {
  const auto place = queue.reserve(header, bytes).bytes;
  std::fill(place.begin(), place.end(), with);
  queue.on_received(header, bytes);
}

TEST(UpdateQueue, PutsPiecesTogetherInAnyOrder) {
  UpdateQueue queue;
  queue.add(update_of(1, {10, 4}), kMost, host);
  land(queue, {1, 1, 0}, 4, std::byte{3});
  land(queue, {1, 0, 6}, 4, std::byte{2});
  EXPECT_FALSE(queue.take(0));
  land(queue, {1, 0, 0}, 6, std::byte{1});
  const auto update = queue.take(0);
  ASSERT_TRUE(update);
  EXPECT_EQ(update->gradients[0].memory.bytes[5], std::byte{1});
  EXPECT_EQ(update->gradients[0].memory.bytes[6], std::byte{2});
  EXPECT_EQ(update->gradients[1].memory.bytes[0], std::byte{3});
}

TEST(UpdateQueue, KeepsTheirOrderAndWaitsForTheBaseCopy) {
  UpdateQueue queue;
  queue.add(update_of(1, {4}, 2), kMost, host);
  queue.add(update_of(2, {}), kMost, host);
  land(queue, {1, 0, 0}, 4, {});
  EXPECT_FALSE(queue.take(1)) << "a chunk of the base copy is still under way";
  EXPECT_EQ(queue.take(2)->number, 1U);
  EXPECT_EQ(queue.take(2)->number, 2U);
  EXPECT_FALSE(queue.take(2));
}

TEST(UpdateQueue, RefusesWhatNoHonestSourceSends) {
  UpdateQueue queue;
  EXPECT_THROW(queue.add(update_of(2, {}), kMost, host), Error) << "out of order";
  EXPECT_THROW(queue.add(update_of(1, {kMost, 1}), kMost, host), Error) << "more than the state";
  EXPECT_THROW(queue.add(update_of(1, {~0ULL, 2}), kMost, host), Error) << "a sum that overflows";
  queue.add(update_of(1, {10}), kMost, host);
  EXPECT_THROW((void)queue.reserve({2, 0, 0}, 1), Error) << "not announced";
  EXPECT_THROW((void)queue.reserve({1, 1, 0}, 1), Error) << "no such gradient";
  EXPECT_THROW((void)queue.reserve({1, 0, 5}, 6), Error) << "past the end";
  EXPECT_THROW((void)queue.reserve({1, 0, ~0ULL}, 1), Error) << "an offset that overflows";
  (void)queue.reserve({1, 0, 0}, 10);
  EXPECT_THROW((void)queue.reserve({1, 0, 0}, 1), Error) << "twice";
}

TEST(UpdateQueue, BoundsWhatMayWait) {
  UpdateQueue queue;
  for (std::uint64_t i = 1; i <= 4; ++i) queue.add(update_of(i, {kMost}), kMost, host);
  EXPECT_THROW(queue.add(update_of(5, {kMost}), kMost, host), Error);
}

TEST(UpdateQueue, BeginsAnewForAnotherLayoutUnlessSomethingIsLanding) {
  UpdateQueue queue;
  queue.add(update_of(1, {10}), kMost, host);
  land(queue, {1, 0, 0}, 4, {});
  queue.clear();
  EXPECT_FALSE(queue.take(0));
  queue.add(update_of(1, {10}), kMost, host);
  (void)queue.reserve({1, 0, 0}, 4);
  EXPECT_THROW(queue.clear(), Error);
}

}  // namespace
}  // namespace cardswap
