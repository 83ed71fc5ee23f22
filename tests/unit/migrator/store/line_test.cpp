/// Method: histories of refs written by hand, with the parent of each snapshot.

#include "migrator/store/line.h"

#include <gmock/gmock.h>

#include <map>

namespace cardswap::store {
namespace {

using ::testing::ElementsAre;

Ref ref(std::uint64_t number, std::uint64_t step, const std::string& branch = "main") {
  Ref made;
  made.job = "gpt";
  made.number = number;
  made.step = step;
  made.branch = branch;
  made.manifest = object_id_from(std::string(62, '0') + std::to_string(10 + number));
  return made;
}

std::vector<std::uint64_t> numbers(const std::vector<Ref>& line) {
  std::vector<std::uint64_t> all;
  for (const auto& one : line) all.push_back(one.number);
  return all;
}

/// Main has 1, 2, 4; "fix" began on 2, and has 3, 5; "late" began on 5 and has 6.
class Lines : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<Ref> line_of_tip(std::size_t tip) const {
    return line_of(refs_, refs_.at(tip - 1), [this](const auto& one) { return parent_of(one); });
  }
  [[nodiscard]] std::string parent_of(const Ref& one) const {
    const auto found = parents_.find(one.number);
    return found == parents_.end() ? std::string() : to_string(ref(found->second, 0).manifest);
  }

  std::vector<Ref> refs_{ref(1, 100), ref(2, 200),        ref(3, 260, "fix"),
                         ref(4, 300), ref(5, 320, "fix"), ref(6, 330, "late")};
  std::map<std::uint64_t, std::uint64_t> parents_{{2, 1}, {3, 2}, {4, 2}, {5, 3}, {6, 5}};
};

TEST_F(Lines, GoAlongABranchAndThenAlongTheOneOnWhichItBegan) {
  EXPECT_THAT(numbers(line_of_tip(4)), ElementsAre(4, 2, 1));
  EXPECT_THAT(numbers(line_of_tip(5)), ElementsAre(5, 3, 2, 1));
  EXPECT_THAT(numbers(line_of_tip(6)), ElementsAre(6, 5, 3, 2, 1));
}

TEST_F(Lines, LeaveOutWhatABranchTookLater) {
  EXPECT_THAT(numbers(line_of_tip(2)), ElementsAre(2, 1));
}

/// The parent that a manifest names may be pruned: the branch's older ones are still its history.
TEST_F(Lines, GoOverSnapshotsThatWerePruned) {
  std::erase_if(refs_, [](const Ref& one) { return one.number == 2; });
  const auto main = line_of(refs_, refs_.at(2), [](const Ref&) { return std::string(); });
  EXPECT_THAT(numbers(main), ElementsAre(4, 1));
  const auto fix = line_of(refs_, refs_.at(3), [this](const Ref& one) {
    return to_string(ref(parents_.at(one.number), 0).manifest);
  });
  EXPECT_THAT(numbers(fix), ElementsAre(5, 3)) << "where it began is not known any more";
}

/// Two runs, "a" and "b", have taken turns on main; "c" went on from 2, and takes its on main too.
TEST_F(Lines, StayWithinTheRunAndThoseFromWhichItWentOn) {
  refs_ = {ref(1, 100), ref(2, 200), ref(3, 50), ref(4, 300), ref(5, 150), ref(6, 250)};
  for (const auto number : {1U, 2U, 4U}) refs_.at(number - 1).run = "a";
  for (const auto number : {3U, 5U}) refs_.at(number - 1).run = "b";
  refs_.at(5).run = "c";
  parents_ = {{2, 1}, {4, 2}, {5, 3}, {6, 2}};
  EXPECT_THAT(numbers(line_of_tip(4)), ElementsAre(4, 2, 1));
  EXPECT_THAT(numbers(line_of_tip(5)), ElementsAre(5, 3));
  EXPECT_THAT(numbers(line_of_tip(6)), ElementsAre(6, 2, 1));
}

TEST_F(Lines, BeginAtTheNewestSnapshotAtOrBeforeTheStep) {
  const auto line = line_of_tip(5);
  EXPECT_EQ(base_in(line, 320)->number, 5U);
  EXPECT_EQ(base_in(line, 319)->number, 3U);
  EXPECT_EQ(base_in(line, 259)->number, 2U);
  EXPECT_EQ(base_in(line, 5000)->number, 5U);
  EXPECT_EQ(base_in(line, 99), std::nullopt);
}

}  // namespace
}  // namespace cardswap::store
