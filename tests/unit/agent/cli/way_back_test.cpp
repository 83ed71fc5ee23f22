/// Method: histories of refs written by hand, with the parent of each branch's oldest one; where a
/// store is asked, they are in its memory.

#include "agent/cli/snapshots/way_back.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <map>

#include "migrator/base/error.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/names.h"

namespace cardswap::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

store::Ref ref(std::uint64_t number, std::uint64_t step, const std::string& branch = "main") {
  store::Ref made;
  made.job = "gpt";
  made.number = number;
  made.step = step;
  made.branch = branch;
  made.manifest = store::object_id_from(std::string(62, '0') + std::to_string(10 + number));
  return made;
}

std::vector<std::uint64_t> numbers(const std::vector<store::Ref>& line) {
  std::vector<std::uint64_t> all;
  for (const auto& one : line) all.push_back(one.number);
  return all;
}

/// Main has 1, 2, 4; "fix" began on 2, and has 3, 5; "late" began on 5 and has 6.
class WaysBack : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<store::Ref> of_one_run(const RunWanted& wanted) const {
    return cli::of_one_run(refs_, wanted, [this](const auto& one) { return parent_of(one); });
  }
  [[nodiscard]] std::string parent_of(const store::Ref& one) const {
    const auto found = parents_.find(one.number);
    return found == parents_.end() ? std::string() : to_string(ref(found->second, 0).manifest);
  }

  std::vector<store::Ref> refs_{ref(1, 100), ref(2, 200),        ref(3, 260, "fix"),
                                ref(4, 300), ref(5, 320, "fix"), ref(6, 330, "late")};
  std::map<std::uint64_t, std::uint64_t> parents_{{2, 1}, {3, 2}, {4, 2}, {5, 3}, {6, 5}};
};

/// Two runs, "a" and "b", have taken turns on main; "c" went on from 2, and takes its on main too.
TEST_F(WaysBack, StayWithinTheRunAndThoseFromWhichItWentOn) {
  refs_ = {ref(1, 100), ref(2, 200), ref(3, 50), ref(4, 300), ref(5, 150), ref(6, 250)};
  for (const auto number : {1U, 2U, 4U}) refs_.at(number - 1).run = "a";
  for (const auto number : {3U, 5U}) refs_.at(number - 1).run = "b";
  refs_.at(5).run = "c";
  parents_ = {{2, 1}, {4, 2}, {5, 3}, {6, 2}};
  EXPECT_THAT(numbers(of_one_run({"b", {}})), ElementsAre(3, 5));
  EXPECT_THAT(numbers(of_one_run({"c", {}})), ElementsAre(1, 2, 4, 6));
  EXPECT_THAT(numbers(of_one_run({})), ElementsAre(1, 2, 4, 6)) << "the newest one's";
  EXPECT_THAT(numbers(of_one_run({"d", to_string(ref(5, 0).manifest)})), ElementsAre(3, 5))
      << "it has taken none of its own";
  EXPECT_THAT(numbers(of_one_run({"d", {}})), ElementsAre());
  refs_.at(0).run.clear();
  EXPECT_THAT(numbers(of_one_run({"b", {}})), ElementsAre(1, 3, 5)) << "of any run";
}

TEST_F(WaysBack, SayHowManySnapshotsAreOfOtherRuns) {
  EXPECT_THAT(announcement({ref(4, 300), 300, 2}), HasSubstr("2 snapshots of that name are of"));
  EXPECT_THAT(announcement({ref(4, 300), 301, 1}), HasSubstr("1 step is taken again"));
}

TEST_F(WaysBack, EndAtTheLatestOfTheBranchThatIsNamed) {
  store::InMemoryStore in;
  for (const auto& one : refs_) {
    (void)in.put_new(store::ref_name("gpt", one.number), store::encode_ref(one));
  }
  EXPECT_EQ(find_way_back(in, {"gpt", "latest", {}}, {}).base.number, 6U);
  const auto way = find_way_back(in, {"gpt", "latest", {}}, "fix");
  EXPECT_EQ(way.base.number, 5U);
  EXPECT_EQ(way.step, 320U);
  const auto failure_of = [&](const SnapshotName& name, const std::string& branch) {
    try {
      (void)find_way_back(in, name, branch);
    } catch (const Error& error) {
      return error.failure();
    }
    return std::string();
  };
  EXPECT_THAT(failure_of({"gpt", "latest", {}}, "no"), HasSubstr("on branch no"));
  EXPECT_THAT(failure_of({"gpt", {}, "best"}, "fix"), HasSubstr("with a step or with @latest"));
}

TEST_F(WaysBack, AreAnnouncedOnlyWhereStepsAreTakenAgain) {
  EXPECT_EQ(announcement({ref(4, 300), 300}), "");
  EXPECT_THAT(announcement({ref(4, 300), 301}), HasSubstr("1 step is taken again"));
  const auto many = announcement({ref(4, 300), 340});
  EXPECT_THAT(many, HasSubstr("40 steps are taken again"));
  EXPECT_THAT(many, HasSubstr("of step 300 (number 4, branch main)"));
  boost::json::object answer;
  add_to(answer, {ref(4, 300), 340});
  EXPECT_EQ(boost::json::serialize(answer),
            R"({"base_step":300,"base_snapshot":4,"to_step":340,"steps_again":40})");
}

}  // namespace
}  // namespace cardswap::cli
