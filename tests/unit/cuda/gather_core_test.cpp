/// Method: the workers' shares of a piece, one after the other, against the host's own shuffle, for
/// every length around the kernel's units, every width and every alignment; no byte outside.

#include "cuda/gather_core.h"

#include <gmock/gmock.h>

#include <random>
#include <vector>

#include "migrator/core/byte_shuffle.h"

namespace cardswap {
namespace {

using cuda::GatherPiece;
using cuda::ShuffleDirection;

constexpr std::size_t kMargin = 32;
constexpr std::byte kUntouched{0xEE};

std::vector<std::byte> random_bytes(std::size_t size) {
  std::mt19937_64 random(size);
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

struct Shifts {
  std::size_t from = 0;
  std::size_t to = 0;
};

/// What the workers make of `bytes`, with both sides away from an alignment of 32 by `shifts`.
std::vector<std::byte> gathered(const std::vector<std::byte>& bytes, std::uint8_t width,
                                ShuffleDirection direction, Shifts shifts, std::uint32_t workers) {
  struct alignas(32) Line {
    std::byte bytes[32];
  };
  const auto lines = bytes.size() / sizeof(Line) + 4;
  std::vector<Line> in(lines);
  std::vector<Line> out(lines);
  auto* from = in.front().bytes + shifts.from;
  auto* whole = out.front().bytes;
  std::fill_n(whole, lines * sizeof(Line), kUntouched);
  std::ranges::copy(bytes, from);
  auto* to = whole + kMargin + shifts.to;
  const GatherPiece piece{reinterpret_cast<const std::uint8_t*>(from),
                          reinterpret_cast<std::uint8_t*>(to),
                          static_cast<std::uint32_t>(bytes.size()), width};
  for (std::uint32_t worker = workers; worker-- > 0;) {
    cuda::gather_share(piece, direction, worker, workers);
  }
  for (auto* at = whole; at != to; ++at) EXPECT_EQ(*at, kUntouched) << "in front of it";
  for (auto* at = to + bytes.size(); at != whole + lines * sizeof(Line); ++at) {
    EXPECT_EQ(*at, kUntouched) << "behind it";
  }
  return {to, to + bytes.size()};
}

class GatherCore : public ::testing::TestWithParam<int> {};

TEST_P(GatherCore, MakesThePlanesThatTheHostMakes) {
  const auto width = static_cast<std::uint8_t>(GetParam());
  for (std::size_t size = 0; size <= 200; ++size) {
    const auto bytes = random_bytes(size);
    std::vector<std::byte> shuffled(size);
    shuffle_bytes(bytes, shuffled, width);
    for (const std::size_t shift : {0U, 1U, 4U, 8U, 16U}) {
      ASSERT_EQ(gathered(bytes, width, ShuffleDirection::to_shuffled, {shift, 0}, 3), shuffled)
          << size;
      ASSERT_EQ(gathered(bytes, width, ShuffleDirection::to_shuffled, {0, shift}, 7), shuffled)
          << size;
      ASSERT_EQ(gathered(shuffled, width, ShuffleDirection::from_shuffled, {shift, 0}, 3), bytes)
          << size;
      ASSERT_EQ(gathered(shuffled, width, ShuffleDirection::from_shuffled, {0, shift}, 7), bytes)
          << size;
    }
  }
}

TEST_P(GatherCore, NeedsNoCertainNumberOfWorkers) {
  const auto width = static_cast<std::uint8_t>(GetParam());
  const auto bytes = random_bytes((64U << 10U) + 13);
  std::vector<std::byte> shuffled(bytes.size());
  shuffle_bytes(bytes, shuffled, width);
  for (const std::uint32_t workers : {1U, 2U, 256U, 8192U, 100000U}) {
    EXPECT_EQ(gathered(bytes, width, ShuffleDirection::to_shuffled, {}, workers), shuffled)
        << workers;
    EXPECT_EQ(gathered(shuffled, width, ShuffleDirection::from_shuffled, {}, workers), bytes)
        << workers;
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, GatherCore, ::testing::Values(1, 2, 4, 8));

TEST(Shuffle, PutsAllFirstBytesInFrontOfAllSecondOnes) {
  const std::vector<std::byte> elements{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                        std::byte{5}, std::byte{6}, std::byte{7}};
  std::vector<std::byte> shuffled(elements.size());
  shuffle_bytes(elements, shuffled, 2);
  EXPECT_EQ(shuffled, (std::vector{std::byte{1}, std::byte{3}, std::byte{5}, std::byte{2},
                                   std::byte{4}, std::byte{6}, std::byte{7}}));
  std::vector<std::byte> again(elements.size());
  unshuffle_bytes(shuffled, again, 2);
  EXPECT_EQ(again, elements);
}

}  // namespace
}  // namespace cardswap
