#include "migrator/core/digest.h"

#include <gmock/gmock.h>

#include <vector>

#include "migrator/core/xxh3.h"

namespace cardswap {
namespace {

/// The generator of xxHash's own test vectors (its tests/ sanity check, prime 32 and prime 64).
std::vector<std::byte> sanity_buffer(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint64_t value = 2654435761U;
  for (auto& byte : bytes) {
    byte = static_cast<std::byte>(value >> 56);
    value *= 11400714785074694797ULL;
  }
  return bytes;
}

struct Vector {
  std::size_t size;
  const char* digest;
};

class DigestVectors : public ::testing::TestWithParam<Vector> {};

TEST_P(DigestVectors, AreWhatTheyWere) {
  EXPECT_EQ(to_string(digest_of(sanity_buffer(GetParam().size))), GetParam().digest);
}

/// High half, then low half: as xxHash's sanity test lists them for seed 0.
INSTANTIATE_TEST_SUITE_P(Xxh3, DigestVectors,
                         ::testing::Values(Vector{0, "99aa06d3014798d86001c324468d497f"},
                                           Vector{1, "a6cd5e9392000f6ac44bdff4074eecdb"},
                                           Vector{6, "082afe0b8162d12a3e7039bdda43cfc6"},
                                           Vector{12, "6e3efd8fc7802b18061a192713f69ad9"},
                                           Vector{24, "0ce966e4678d37611e7044d28b1b901d"},
                                           Vector{48, "a002ac4e5478227ef942219aed80f67b"},
                                           Vector{81, "4952f58181ab00425e8bafb9f95fb803"},
                                           Vector{222, "337e09641b948717f1aebd597cec6b3a"},
                                           Vector{403, "1b6de21e332dd73dcdeb804d65c6dea4"},
                                           Vector{512, "18d2d110dcc9bca1617e49599013cb6b"},
                                           Vector{2048, "f736557fd47073a5dd59e2c3a5f038e0"},
                                           Vector{2367, "e89c0f6ff369b427cb37aeb9e5d361ed"}));

/// What docs/wire.md lists: one leaf, and trees of them.
INSTANTIATE_TEST_SUITE_P(Leaves, DigestVectors,
                         ::testing::Values(Vector{4096, "b9cfaea2ca5626a4e91206429d1f48f9"},
                                           Vector{65535, "0839ca9ab30b5e4440df5e3e5608bbe9"},
                                           Vector{65536, "deafbd9df07edb70918f7f0f912ca480"},
                                           Vector{65537, "45ca6a9ef736b0ce1dcced0ea3505f0e"},
                                           Vector{131072, "43491ebf02a0f9a899aee2ab14afcadb"},
                                           Vector{1048576, "ce34da45eeb60e4b584bd96ebcd7e25a"},
                                           Vector{2097153, "4695a0f6b18111eb132201ceb20b0835"}));

TEST(Digest, IsTheDigestOfItsLeavesDigests) {
  const auto bytes = sanity_buffer(3 * kLeafBytes + 100);
  std::vector<std::byte> leaves;
  for (std::size_t at = 0; at < bytes.size(); at += kLeafBytes) {
    const auto size = std::min(kLeafBytes, bytes.size() - at);
    const auto leaf = digest_of(std::span(bytes).subspan(at, size));
    const auto of_leaf = std::as_bytes(std::span(leaf.bytes));
    leaves.insert(leaves.end(), of_leaf.begin(), of_leaf.end());
  }
  EXPECT_EQ(digest_of(bytes), digest_of(leaves));
}

TEST(Digest, IsTheSameFromWideAndFromPortableVectors) {
  const auto bytes = sanity_buffer((1U << 16) + 333);
  for (const std::size_t size : {1U, 16U, 17U, 128U, 129U, 240U, 241U, 1024U, 4096U, 65869U}) {
    const auto portable = XXH3_128bits(bytes.data(), size);
    const auto chosen = xxh3_of(std::span(bytes).first(size));
    EXPECT_TRUE(XXH128_isEqual(portable, chosen)) << size << " bytes";
  }
}

TEST(Digest, DoesNotDependOnAlignment) {
  auto bytes = sanity_buffer(5000);
  const auto expected = digest_of(std::span(bytes).first(4096));
  for (std::size_t shift = 1; shift < 64; ++shift) {
    std::vector<std::byte> moved(shift);
    moved.insert(moved.end(), bytes.begin(), bytes.begin() + 4096);
    EXPECT_EQ(digest_of(std::span(moved).subspan(shift)), expected) << shift;
  }
}

TEST(Digest, ChangesWithEveryByteOfAChunk) {
  auto bytes = sanity_buffer(4096);
  const auto before = digest_of(bytes);
  for (auto& byte : bytes) {
    byte ^= std::byte{1};
    EXPECT_NE(digest_of(bytes), before);
    byte ^= std::byte{1};
  }
}

}  // namespace
}  // namespace cardswap
