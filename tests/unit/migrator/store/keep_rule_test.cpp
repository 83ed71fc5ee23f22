#include "migrator/store/keep_rule.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace cardswap::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr KeepRule kTwo{.last = 2, .hourly = 0, .daily = 0};

SnapshotCandidate whole(std::uint64_t number, std::string branch = "main", std::int64_t at_s = 0) {
  return {number, std::move(branch), at_s, true, false};
}

TEST(Retention, KeepsTheNewestOfEachBranch) {
  EXPECT_THAT(surplus_of(std::vector{whole(1), whole(2), whole(3), whole(4, "fix")}, kTwo),
              ElementsAre(1));
}

TEST(Retention, NeverGivesUpTheLastTwoThatAreVerified) {
  auto list = std::vector{whole(1), whole(2), whole(3), whole(4), whole(5)};
  for (std::size_t i = 2; i < 5; ++i) list[i].verified = false;
  EXPECT_THAT(surplus_of(list, {.last = 0, .hourly = 0, .daily = 0}), IsEmpty());
  list[4].verified = true;
  EXPECT_THAT(surplus_of(list, {.last = 0, .hourly = 0, .daily = 0}), ElementsAre(1));
}

TEST(Retention, GoesByTheNumberAndNotByTheTime) {
  EXPECT_THAT(surplus_of(std::vector{whole(1, "main", 900'000), whole(2), whole(3)}, kTwo),
              ElementsAre(1));
}

TEST(Retention, KeepsOneAnHourAndOneADay) {
  std::vector<SnapshotCandidate> list;
  for (std::uint64_t i = 0; i < 96; ++i) {
    list.push_back(whole(i + 1, "main", static_cast<std::int64_t>(i) * 1800));  // two days
  }
  const auto gone = surplus_of(list, {.last = 1, .hourly = 3, .daily = 2});
  std::vector<std::uint64_t> kept;
  for (const auto& snapshot : list) {
    if (std::ranges::find(gone, snapshot.number) == gone.end()) kept.push_back(snapshot.number);
  }
  EXPECT_THAT(kept, ElementsAre(48, 92, 94, 95, 96));
}

TEST(Retention, KeepsWhatIsPinnedAndTheJobsLastNumber) {
  auto list = std::vector{whole(1), whole(2), whole(3), whole(4), whole(5, "old")};
  list[0].pinned = true;
  EXPECT_THAT(surplus_of(list, kTwo), ElementsAre(2));
}

}  // namespace
}  // namespace cardswap::store
