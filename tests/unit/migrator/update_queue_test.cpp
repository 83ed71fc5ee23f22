#include "migrator/engine/target/update_queue.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kMax = 1000;

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
  queue.add(update_of(1, {10, 4}), kMax, host);
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
  queue.add(update_of(1, {4}, 2), kMax, host);
  queue.add(update_of(2, {}), kMax, host);
  land(queue, {1, 0, 0}, 4, {});
  EXPECT_FALSE(queue.take(1)) << "a chunk of the base copy is still under way";
  EXPECT_EQ(queue.take(2)->number, 1U);
  EXPECT_EQ(queue.take(2)->number, 2U);
  EXPECT_FALSE(queue.take(2));
}

TEST(UpdateQueue, RefusesWhatNoHonestSourceSends) {
  UpdateQueue queue;
  EXPECT_THROW(queue.add(update_of(2, {}), kMax, host), Error) << "out of order";
  EXPECT_THROW(queue.add(update_of(1, {kMax, 1}), kMax, host), Error) << "more than the state";
  EXPECT_THROW(queue.add(update_of(1, {~0ULL, 2}), kMax, host), Error) << "a sum that overflows";
  queue.add(update_of(1, {10}), kMax, host);
  EXPECT_THROW((void)queue.reserve({2, 0, 0}, 1), Error) << "not announced";
  EXPECT_THROW((void)queue.reserve({1, 1, 0}, 1), Error) << "no such gradient";
  EXPECT_THROW((void)queue.reserve({1, 0, 5}, 6), Error) << "past the end";
  EXPECT_THROW((void)queue.reserve({1, 0, ~0ULL}, 1), Error) << "an offset that overflows";
  (void)queue.reserve({1, 0, 0}, 5);
  EXPECT_THROW((void)queue.reserve({1, 0, 0}, 5), Error) << "twice, and as if it were whole then";
  EXPECT_THROW((void)queue.reserve({1, 0, 4}, 2), Error) << "a byte of it twice";
  (void)queue.reserve({1, 0, 5}, 5);
  EXPECT_THROW((void)queue.reserve({1, 0, 0}, 1), Error) << "twice";
}

TEST(UpdateQueue, BoundsWhatMayWait) {
  UpdateQueue queue;
  for (std::uint64_t i = 1; i <= 4; ++i) queue.add(update_of(i, {kMax}), kMax, host);
  EXPECT_THROW(queue.add(update_of(5, {kMax}), kMax, host), Error);
}

TEST(UpdateQueue, BeginsAnewForAnotherLayoutUnlessSomethingIsLanding) {
  UpdateQueue queue;
  queue.add(update_of(1, {10}), kMax, host);
  land(queue, {1, 0, 0}, 4, {});
  queue.clear();
  EXPECT_FALSE(queue.take(0));
  queue.add(update_of(1, {10}), kMax, host);
  (void)queue.reserve({1, 0, 0}, 4);
  EXPECT_THROW(queue.clear(), Error);
}

void land(UpdateQueue& queue, const data::EarlyHeader& header, std::size_t bytes, std::byte with) {
  const auto place = queue.reserve(header, bytes).bytes;
  std::fill(place.begin(), place.end(), with);
  queue.on_received(header, bytes);
}
data::Update update_with_early(std::uint64_t number, std::uint64_t early, std::uint64_t bytes) {
  data::Update update;
  update.number = number;
  update.gradients = {{5, bytes, early, {FactorKind::float32, 0.5, Digest{{1}}}}, {6, 2}};
  return update;
}

TEST(UpdateQueue, TakesAGradientThatCameBeforeItsUpdate) {
  UpdateQueue queue;
  queue.add(data::EarlyGradient{1, 5, 10}, kMax, host);
  land(queue, data::EarlyHeader{1, 0}, 6, std::byte{1});
  queue.add(update_with_early(1, 1, 10), kMax, host);
  land(queue, {1, 1, 0}, 2, std::byte{3});
  EXPECT_FALSE(queue.take(0)) << "the early one is not whole";
  land(queue, data::EarlyHeader{1, 6}, 4, std::byte{2});
  const auto update = queue.take(0);
  ASSERT_TRUE(update);
  ASSERT_EQ(update->gradients.size(), 2U);
  EXPECT_EQ(update->gradients[0].memory.bytes[5], std::byte{1});
  EXPECT_EQ(update->gradients[0].memory.bytes[6], std::byte{2});
  EXPECT_EQ(update->gradients[0].factor.kind, FactorKind::float32);
  EXPECT_EQ(update->gradients[0].factor.value, 0.5);
  EXPECT_EQ(update->gradients[1].memory.bytes[0], std::byte{3});
  EXPECT_EQ(update->gradients[1].factor.kind, FactorKind::none);
}

TEST(UpdateQueue, LetsADroppedGradientsPiecesLandAndForgetsIt) {
  UpdateQueue queue;
  queue.add(data::EarlyGradient{1, 5, 10}, kMax, host);
  (void)queue.reserve(data::EarlyHeader{1, 0}, 4);
  queue.drop({1, 6});
  land(queue, data::EarlyHeader{1, 4}, 2, {});
  EXPECT_THROW(queue.clear(), Error) << "a piece is landing";
  queue.on_received(data::EarlyHeader{1, 0}, 4);
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, 6}, 1), Error) << "nobody's any more";
  queue.clear();
  queue.add(data::EarlyGradient{1, 5, 10}, kMax, host);
}

TEST(UpdateQueue, RefusesEarlyGradientsThatNoHonestSourceSends) {
  UpdateQueue queue;
  EXPECT_THROW(queue.add(data::EarlyGradient{2, 5, 10}, kMax, host), Error) << "out of order";
  EXPECT_THROW(queue.add(data::EarlyGradient{1, 5, 0}, kMax, host), Error) << "of nothing";
  EXPECT_THROW(queue.add(data::EarlyGradient{1, 5, kMax + 1}, kMax, host), Error) << "too much";
  EXPECT_THROW(queue.drop({1, 0}), Error) << "not announced";
  queue.add(data::EarlyGradient{1, 5, 10}, kMax, host);
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{2, 0}, 1), Error) << "not announced";
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, 5}, 6), Error) << "past the end";
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, ~0ULL}, 1), Error) << "overflows";
  (void)queue.reserve(data::EarlyHeader{1, 0}, 5);
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, 0}, 5), Error) << "as if it were whole";
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, 3}, 4), Error) << "bytes of it twice";
  (void)queue.reserve(data::EarlyHeader{1, 5}, 3);
  EXPECT_THROW((void)queue.reserve(data::EarlyHeader{1, 0}, 8), Error) << "twice";
  EXPECT_THROW(queue.drop({1, 7}), Error) << "fewer than came";
  EXPECT_THROW(queue.drop({1, 11}), Error) << "more than there are";
  EXPECT_THROW(queue.add(update_with_early(1, 2, 10), kMax, host), Error) << "no such one";
  EXPECT_THROW(queue.add(update_with_early(1, 1, 9), kMax, host), Error) << "another size";
  auto other = update_with_early(1, 1, 10);
  other.gradients[0].parameter = 6;
  EXPECT_THROW(queue.add(other, kMax, host), Error) << "another parameter";
  for (const double factor : {0.0, -1.0, 0.1, 1e300}) {
    auto odd = update_with_early(1, 1, 10);
    odd.gradients[0].factor.value = factor;
    EXPECT_THROW(queue.add(odd, kMax, host), Error) << factor << " is no positive float";
  }
  auto twice = update_with_early(1, 1, 10);
  twice.gradients.push_back(twice.gradients[0]);
  EXPECT_THROW(queue.add(twice, kMax, host), Error) << "twice in one";
  queue.add(update_with_early(1, 1, 10), kMax, host);
  EXPECT_THROW(queue.add(update_with_early(2, 1, 10), kMax, host), Error) << "in two";
  EXPECT_THROW(queue.drop({1, 10}), Error) << "an update has it";
}

TEST(UpdateQueue, BoundsEarlyGradientsAndUpdatesTogether) {
  UpdateQueue queue;
  queue.add(data::EarlyGradient{1, 0, kMax}, kMax, host);
  queue.add(data::EarlyGradient{2, 1, kMax}, kMax, host);
  queue.add(update_of(1, {kMax}), kMax, host);
  queue.add(update_of(2, {kMax}), kMax, host);
  EXPECT_THROW(queue.add(update_of(3, {1}), kMax, host), Error);
  EXPECT_THROW(queue.add(data::EarlyGradient{3, 2, 1}, kMax, host), Error);
}

}  // namespace
}  // namespace cardswap
