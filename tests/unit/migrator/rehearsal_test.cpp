#include "migrator/engine/source/rehearsal.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "migrator/engine/source/rounding.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ChunkMap some_chunks() {
  return {Layout({{"model/w", "float32", "", 8192}, {"model/b", "float32", "", 64}}), 4096};
}

TEST(RehearsalDifference, NamesEachRegionOnceAndCountsItsBytes) {
  const std::vector<ChunkId> differing{ChunkId{0}, ChunkId{1}, ChunkId{2}};
  const auto found = rehearsal_difference(13, some_chunks(), differing, {"optimizer"});
  EXPECT_THAT(found.regions, ElementsAre("model/w", "model/b"));
  EXPECT_EQ(found.bytes, 8256U);
  EXPECT_FALSE(found.empty());
  EXPECT_THAT(found.text(), HasSubstr("step 13"));
  EXPECT_THAT(found.text(), HasSubstr("values: optimizer; tensors: model/w, model/b (8256 bytes"));
}

TEST(RehearsalDifference, IsNoneWhereNothingDiffers) {
  const auto found = rehearsal_difference(13, some_chunks(), {}, {});
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(found.text(), "step 13 left the same bytes at both sides");
}

TEST(RehearsalDifference, NamesNoMoreThanPeopleRead) {
  std::vector<std::string> values;
  for (int i = 0; i < 40; ++i) values.push_back("value" + std::to_string(i));
  const auto text = rehearsal_difference(1, some_chunks(), {}, values).text();
  EXPECT_THAT(text, HasSubstr("value5 and 34 more"));
  EXPECT_THAT(text, Not(HasSubstr("value6")));
}

TEST(RehearsalDifference, HintsAtWhatWasReadWhereTensorsAloneDiffer) {
  const std::vector<ChunkId> differing{ChunkId{0}};
  const auto tensors = rehearsal_difference(1, some_chunks(), differing, {});
  const auto values = rehearsal_difference(1, some_chunks(), differing, {"generators"});
  EXPECT_THAT(tensors.hint(), HasSubstr("a hidden state"));
  EXPECT_THAT(values.hint(), HasSubstr("a generator that drew other numbers"));
}

template <class Number>
bool is_rounded(std::string_view dtype, const std::vector<Number>& one,
                const std::vector<Number>& other) {
  return is_rounding(dtype, std::as_bytes(std::span(one)), std::as_bytes(std::span(other)));
}

TEST(Rounding, IsAFewUnitsInTheLastPlaceOfTheLargest) {
  const float next = std::nextafter(1.0F, 2.0F);
  EXPECT_TRUE(is_rounded<float>("Float", {1, 1e-7F}, {next, 2e-7F}));
  EXPECT_FALSE(is_rounded<float>("Float", {1, 0.1F}, {1, 0.1001F}));
  EXPECT_FALSE(is_rounded<float>("Float", {0, 0}, {0, 1e-9F})) << "there was nothing to round";
  EXPECT_TRUE(is_rounded<double>("Double", {1}, {std::nextafter(1.0, 2.0)}));
  EXPECT_FALSE(is_rounded<double>("Double", {1}, {1 + 1e-7}));
}

TEST(Rounding, IsNoneWhereWhatWasShownIsEqualForWhatDiffersIsNotInIt) {
  EXPECT_FALSE(is_rounded<float>("Float", {1, 2}, {1, 2}));
}

TEST(Rounding, IsNoneWhereNumbersAreNotOrHaveFewDigits) {
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(is_rounded<float>("Float", {1, 2}, {1, nan}));
  EXPECT_TRUE(is_rounded<float>("Float", {1, nan}, {std::nextafter(1.0F, 2.0F), nan}))
      << "the same";
  EXPECT_FALSE(is_rounded<std::int64_t>("Long", {1}, {2}));
  EXPECT_FALSE(is_rounded<std::uint16_t>("BFloat16", {0x3f80}, {0x3f81}));
  EXPECT_FALSE(is_rounded<float>("Float", {1, 2}, {1}));
}

}  // namespace
}  // namespace cardswap
