/// Method: numbers whose differences are known, as the bytes of each type.

#include "migrator/tensors/difference.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/unit/migrator/tensors/saved_tensors.h"

namespace cardswap::tensors {
namespace {

using test::bytes_of;
using testing::ElementsAre;

constexpr auto kInfinite = std::numeric_limits<double>::infinity();
const auto kNan = std::nan("");

template <class Number>
std::vector<double> read(ElementType type, const std::vector<Number>& stored) {
  std::vector<double> out(stored.size());
  numbers_of(type, bytes_of(stored), out);
  return out;
}

template <class Number>
Difference between(ElementType type, const std::vector<Number>& before,
                   const std::vector<Number>& after) {
  DifferenceSum sum(type, type);
  sum.add(bytes_of(before), bytes_of(after));
  return sum.result();
}

TEST(ElementTypes, AreReadAsTheirNumbers) {
  EXPECT_THAT(read<std::uint16_t>(ElementType::f16, {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000}),
              ElementsAre(1, -2, 65504, std::ldexp(1, -24), 0));
  EXPECT_THAT(read<std::uint16_t>(ElementType::f16, {0x7c00, 0xfc00}),
              ElementsAre(kInfinite, -kInfinite));
  EXPECT_TRUE(std::isnan(read<std::uint16_t>(ElementType::f16, {0x7e00}).at(0)));
  EXPECT_THAT(read<std::uint16_t>(ElementType::bf16, {0x3f80, 0xc000, 0x7f80}),
              ElementsAre(1, -2, kInfinite));
  EXPECT_THAT(read<std::int8_t>(ElementType::i8, {-128, 127}), ElementsAre(-128, 127));
  EXPECT_THAT(read<std::int64_t>(ElementType::i64, {-5}), ElementsAre(-5));
  EXPECT_THAT(read<std::uint8_t>(ElementType::boolean, {0, 1}), ElementsAre(0, 1));
  EXPECT_THAT(read<float>(ElementType::f32, {0.5F}), ElementsAre(0.5));
}

TEST(ElementTypes, AreKnownByLibTorchsNames) {
  EXPECT_EQ(element_type("BFloat16"), ElementType::bf16);
  EXPECT_EQ(element_type("Long"), ElementType::i64);
  EXPECT_EQ(element_type("ComplexFloat"), ElementType::raw);
  EXPECT_EQ(safetensors_code(ElementType::boolean), "BOOL");
  EXPECT_EQ(safetensors_code(ElementType::raw), "U8");
}

TEST(Differences, OfKnownNumbersAreKnown) {
  const auto found = between<float>(ElementType::f32, {1, 2, 3, 4}, {1, 2, 3, 6});
  EXPECT_EQ(found.elements, 4U);
  EXPECT_EQ(found.changed, 1U);
  EXPECT_DOUBLE_EQ(found.max_abs, 2);
  EXPECT_DOUBLE_EQ(found.rms, 1);
  EXPECT_DOUBLE_EQ(found.relative, 2 / std::sqrt(30));
  EXPECT_DOUBLE_EQ(found.cosine, 38 / (std::sqrt(30) * std::sqrt(50)));
}

TEST(Differences, CountWhatWasNotReadAsEqual) {
  DifferenceSum sum(ElementType::f32, ElementType::f32);
  sum.add_equal(12);
  sum.add(bytes_of<float>({1, 2, 3, 4}), bytes_of<float>({1, 2, 3, 6}));
  EXPECT_EQ(sum.result().elements, 16U);
  EXPECT_EQ(sum.result().compared, 4U);
  EXPECT_DOUBLE_EQ(sum.result().rms, 0.5);
}

TEST(Differences, LeaveOutWhatIsNotFiniteAndCountIt) {
  const auto found = between<double>(ElementType::f64, {1, kNan, kInfinite, 4}, {2, kNan, 5, kNan});
  EXPECT_EQ(found.before, (NotFinite{1, 1}));
  EXPECT_EQ(found.after, (NotFinite{2, 0}));
  EXPECT_DOUBLE_EQ(found.max_abs, 1);
  EXPECT_DOUBLE_EQ(found.relative, 1) << "as many as before";
}

TEST(Differences, AreInfiniteWhereANumberIsLost) {
  EXPECT_EQ(between<float>(ElementType::f32, {1, 2}, {1, std::nanf("")}).relative, kInfinite);
}

TEST(Differences, AreInfiniteWhereSomethingCameOutOfZeros) {
  const auto found = between<float>(ElementType::f32, {0, 0}, {0, 3});
  EXPECT_EQ(found.relative, kInfinite);
  EXPECT_EQ(found.cosine, 0);
  const auto none = between<float>(ElementType::f32, {0, 0}, {0, 0});
  EXPECT_EQ(none.relative, 0);
  EXPECT_EQ(none.cosine, 1);
}

TEST(Differences, HaveTheCosineOfTheirDirections) {
  EXPECT_DOUBLE_EQ(between<float>(ElementType::f32, {1, 0}, {0, 1}).cosine, 0);
  EXPECT_DOUBLE_EQ(between<float>(ElementType::f32, {1, 2}, {-2, -4}).cosine, -1);
}

TEST(Differences, OfLargeWholeNumbersAreExact) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 60U;
  EXPECT_EQ(between<std::int64_t>(ElementType::i64, {kLarge}, {kLarge + 1}).max_abs, 1);
  EXPECT_EQ(between<std::int64_t>(ElementType::i64, {kLarge + 3}, {kLarge}).max_abs, 3);
}

TEST(Differences, OfNumbersWhoseSquaresAreTooLargeAreFinite) {
  const auto found = between<double>(ElementType::f64, {1e300}, {-1e300});
  EXPECT_DOUBLE_EQ(found.rms, 2e300);
  EXPECT_DOUBLE_EQ(found.relative, 2);
  EXPECT_DOUBLE_EQ(found.cosine, -1);
}

TEST(Differences, OfTwoTypesAreOfTheirValues) {
  DifferenceSum sum(ElementType::f32, ElementType::bf16);
  sum.add(bytes_of<float>({1, -2, 3}), bytes_of<std::uint16_t>({0x3f80, 0xc000, 0x4080}));
  EXPECT_EQ(sum.result().changed, 1U);
  EXPECT_DOUBLE_EQ(sum.result().max_abs, 1);
}

TEST(Differences, OfBytesThatAreNoNumbersAreCounted) {
  const auto found = between<std::uint8_t>(ElementType::raw, {1, 2, 3}, {1, 0, 0});
  EXPECT_FALSE(found.has_numbers);
  EXPECT_EQ(found.changed, 2U);
  EXPECT_EQ(found.max_abs, 0);
}

TEST(Differences, AreFoundBehindManyElements) {
  std::vector<float> before(5000, 1);
  auto after = before;
  after.back() = 4;
  const auto found = between(ElementType::f32, before, after);
  EXPECT_EQ(found.elements, 5000U);
  EXPECT_EQ(found.changed, 1U);
  EXPECT_DOUBLE_EQ(found.max_abs, 3);
}

}  // namespace
}  // namespace cardswap::tensors
