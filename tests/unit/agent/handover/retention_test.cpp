#include "agent/handover/base/retention.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kNow = 1'000'000'000;

/// Limits that fit on a line: two, a second, a minute, five.
Retention small() {
  return {.count = 2,
          .least = std::chrono::seconds(1),
          .most = std::chrono::minutes(1),
          .count_max = 5,
          .at_once = 100};
}
std::vector<std::size_t> forgotten(std::vector<std::int64_t> ages) {
  std::vector<std::int64_t> ended;
  for (const auto age : ages) ended.push_back(age < 0 ? 0 : kNow - age);
  return to_forget(ended, kNow, small());
}

TEST(Retention, KeepsTheLatestOfWhatIsOver) {
  EXPECT_THAT(forgotten({5000, 4000}), IsEmpty());
  EXPECT_THAT(forgotten({5000, 4000, 3000, 2000}), ElementsAre(0, 1));
}

TEST(Retention, KeepsWhatTheOtherSideMayStillAskAbout) {
  EXPECT_THAT(forgotten({900, 800, 700, 600}), IsEmpty());
}

TEST(Retention, ForgetsWhatIsOldHoweverFewThereAre) {
  EXPECT_THAT(forgotten({70'000, 100}), ElementsAre(0));
}

TEST(Retention, HasABoundThatNoCrowdOfNewOnesPasses) {
  EXPECT_THAT(forgotten({90, 80, 70, 60, 50, 40, 30}), ElementsAre(0, 1));
}

TEST(Retention, NeverForgetsWhatIsNotOver) {
  EXPECT_THAT(forgotten({-1, -1, -1, -1, -1, -1, -1, 70'000}), ElementsAre(7));
  EXPECT_THAT(forgotten({5000, -1, 4000, -1, 3000}), ElementsAre(0));
}

TEST(Retention, HasABoundForEachMakerThatNoOtherMakerMeets) {
  auto few = small();
  few.of_maker = 2;
  const std::vector<std::int64_t> ended(5, kNow - 1);
  const auto of = [&](const std::vector<std::string_view>& makers) {
    return to_forget(ended, makers, kNow, few);
  };
  EXPECT_THAT(of({"evil", "evil", "good", "evil", "evil"}), ElementsAre(0, 1));
  EXPECT_THAT(of({"evil", "evil", "good", "good", ""}), IsEmpty());
  EXPECT_THAT(of({"", "", "", "", ""}), IsEmpty()) << "nobody is no maker";
}

TEST(Retention, WritesToTheDiskASmallPartAtATime) {
  const std::vector<std::int64_t> ended(20'000, 1);
  EXPECT_EQ(to_forget(ended, std::int64_t{1} << 50).size(), Retention().at_once);
}

}  // namespace
}  // namespace cardswap
