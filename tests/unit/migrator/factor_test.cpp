#include "migrator/core/factor.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace cardswap {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const std::vector<float>& numbers) {
  Bytes bytes(numbers.size() * sizeof(float));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}
/// As gradients are: of all sizes, some of them zero.
std::vector<float> numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> result(count);
  for (auto& one : result)
    one = random() % 8 == 0 ? 0.0F : normal(random) * std::exp2(normal(random) * 20);
  return result;
}
Bytes times(FactorKind kind, Bytes bytes, float factor) {
  multiply(kind, bytes, factor);
  return bytes;
}
/// The upper halves.
Bytes as_bfloat16(const Bytes& floats) {
  Bytes result;
  for (std::size_t i = 0; i < floats.size(); i += 4) {
    result.push_back(floats[i + 2]);
    result.push_back(floats[i + 3]);
  }
  return result;
}

TEST(Factor, MultipliesAsOneRoundedFloatingPointOperation) {
  const auto from = numbers(1000, 1);
  auto to = from;
  for (auto& one : to) one *= 0.37F;
  EXPECT_EQ(times(FactorKind::float32, bytes_of(from), 0.37F), bytes_of(to));
}

TEST(Factor, RoundsABfloat16ToTheNearestAndToEven) {
  // 1 + 1/128 and 1 + 3/128, times 1.5: 1.51171875 and 1.53515625, each between two of them.
  const Bytes from{std::byte{0x81}, std::byte{0x3f}, std::byte{0x83}, std::byte{0x3f}};
  const Bytes to{std::byte{0xc2}, std::byte{0x3f}, std::byte{0xc4}, std::byte{0x3f}};
  EXPECT_EQ(times(FactorKind::bfloat16, from, 1.5F), to);
}

TEST(Factor, IsFoundWhereOneGivesEveryBit) {
  for (const float factor : {0.37F, 1.0F / 3, 1.0F / 65536, 0.99999994F, 7.0F}) {
    for (const auto kind : {FactorKind::float32, FactorKind::bfloat16}) {
      auto before = bytes_of(numbers(20'000, 3));
      if (kind == FactorKind::bfloat16) before = as_bfloat16(before);
      const auto after = times(kind, before, factor);
      const auto found = find_factor(kind, before, after, std::nullopt);
      ASSERT_TRUE(found) << factor;
      EXPECT_EQ(times(kind, before, *found), after) << factor;
      const auto again = find_factor(kind, before, after, found);
      EXPECT_EQ(again, found) << "the guess was right";
    }
  }
}

TEST(Factor, IsNotFoundWhereOneElementIsAnotherOne) {
  const auto before = bytes_of(numbers(5'000, 5));
  const auto after = times(FactorKind::float32, before, 0.37F);
  for (const std::size_t element : {0U, 1'234U, 4'999U}) {
    auto other = after;
    other[element * 4 + 1] ^= std::byte{1};
    EXPECT_FALSE(find_factor(FactorKind::float32, before, other, std::nullopt)) << element;
    EXPECT_FALSE(find_factor(FactorKind::float32, before, other, 0.37F)) << element;
  }
}

TEST(Factor, IsNotFoundWhereThereCanBeNone) {
  const auto some = bytes_of({1, 2, 3, 4});
  const auto find = [&](const Bytes& before, const Bytes& after,
                        FactorKind kind = FactorKind::float32) {
    return find_factor(kind, before, after, std::nullopt);
  };
  EXPECT_FALSE(find(some, bytes_of({-1, -2, -3, -4}))) << "a sign";
  EXPECT_FALSE(find(some, bytes_of({2, 4, 6}))) << "fewer";
  EXPECT_FALSE(find({}, {})) << "nothing to tell by";
  EXPECT_FALSE(find(bytes_of({0, 0}), bytes_of({0, 1}))) << "from nothing";
  EXPECT_FALSE(find(some, bytes_of({0, 0, 0, 0}))) << "to nothing";
  EXPECT_FALSE(find(some, bytes_of({2, 4, 6, std::nanf("")}))) << "no number";
  EXPECT_FALSE(find(some, bytes_of({2, 4, 6, 8}), FactorKind::none));
  EXPECT_FALSE(find(Bytes(7), Bytes(7))) << "half an element";
}

TEST(Factor, IsKnownForTheTypesThatGradientsHave) {
  EXPECT_EQ(factor_kind("Float"), FactorKind::float32);
  EXPECT_EQ(factor_kind("BFloat16"), FactorKind::bfloat16);
  EXPECT_EQ(factor_kind("Double"), FactorKind::none);
}

}  // namespace
}  // namespace cardswap
