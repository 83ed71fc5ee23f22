#include "migrator/base/hex.h"

#include <gtest/gtest.h>

#include <array>

namespace cardswap {
namespace {

TEST(Hex, IsTwoDigitsAByteOfEitherCase) {
  std::array<std::byte, 3> bytes{};
  ASSERT_TRUE(from_hex("00fFa1", bytes));
  EXPECT_EQ(bytes, (std::array{std::byte{0}, std::byte{0xff}, std::byte{0xa1}}));
}

TEST(Hex, IsReadAsItWasWritten) {
  const std::array bytes{std::byte{0}, std::byte{0x0f}, std::byte{0xa9}};
  EXPECT_EQ(to_hex(bytes), "000fa9");
  std::array<std::byte, 3> again{};
  EXPECT_TRUE(from_hex(to_hex(bytes), again));
  EXPECT_EQ(again, bytes);
}

TEST(Hex, OfAnotherLengthOrWithAnythingElseIsRefused) {
  std::array<std::byte, 2> bytes{};
  for (const auto* text :
       {"", "0", "00", "000", "00000", "000000", "0x00", "00 0", "-100", "+100", "00g0", "0.00"}) {
    EXPECT_FALSE(from_hex(text, bytes)) << text;
  }
}

}  // namespace
}  // namespace cardswap
