#include "cuda/xxh3_core.h"

#include <gmock/gmock.h>
#include <xxhash.h>

#include <cstring>
#include <vector>

namespace cardswap {
namespace {

std::vector<std::uint8_t> some_bytes(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint64_t value = 2654435761U;
  for (auto& byte : bytes) {
    byte = static_cast<std::uint8_t>(value >> 56U);
    value *= 11400714785074694797ULL;
  }
  return bytes;
}

/// What the kernels compute with, against the library that the cpu device uses: every length where
/// the forms and the last stripe change, and around a leaf's.
TEST(Xxh3Core, GivesTheLibrarysValueForEveryLength) {
  const auto bytes = some_bytes(70000);
  for (std::size_t size = 0; size <= bytes.size();
       size += size < 4200 || (size > 65400 && size < 65600) ? 1 : 131) {
    const auto expected = XXH3_128bits(bytes.data(), size);
    const auto got = xxh3::hash(bytes.data(), size, xxh3::kSecret);
    ASSERT_EQ(got.low, expected.low64) << size;
    ASSERT_EQ(got.high, expected.high64) << size;
  }
}

TEST(Xxh3Core, WritesTheCanonicalForm) {
  const auto bytes = some_bytes(777);
  XXH128_canonical_t expected;
  XXH128_canonicalFromHash(&expected, XXH3_128bits(bytes.data(), bytes.size()));
  const auto got = xxh3::canonical(xxh3::hash(bytes.data(), bytes.size(), xxh3::kSecret));
  EXPECT_EQ(std::memcmp(&got, &expected, sizeof(expected)), 0);
}

TEST(Xxh3Core, ReadsFromAnyAddress) {
  const auto bytes = some_bytes(3000);
  for (std::size_t shift = 0; shift < 16; ++shift) {
    const auto expected = XXH3_128bits(bytes.data() + shift, 2048);
    EXPECT_EQ(xxh3::hash(bytes.data() + shift, 2048, xxh3::kSecret).high, expected.high64);
  }
}

}  // namespace
}  // namespace cardswap
