#include "agent/snapshots/snapshot_choice.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace cardswap::snapshots {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

store::ObjectId id(int number) {
  store::ObjectId made;
  made.bytes[0] = static_cast<std::byte>(number);
  return made;
}
store::Ref ref(std::uint64_t number, const std::string& branch = "main",
               const std::string& run = {}) {
  return {"gpt", number, id(static_cast<int>(number)), branch, 100 * number, 1, run};
}
std::vector<std::uint64_t> numbers(const std::vector<store::Ref>& refs) {
  std::vector<std::uint64_t> all;
  for (const auto& one : refs) all.push_back(one.number);
  return all;
}
/// The parents of snapshots, by number.
using Parents = std::map<std::uint64_t, std::uint64_t>;
store::ParentOf parents_are(Parents parents) {
  return [parents = std::move(parents)](const store::Ref& one) {
    const auto found = parents.find(one.number);
    return found == parents.end() ? std::string() : to_string(id(static_cast<int>(found->second)));
  };
}
std::vector<std::uint64_t> line(const std::vector<store::Ref>& refs, const JobLine& job,
                                Parents parents = {}) {
  return numbers(line_of_job(refs, job, parents_are(std::move(parents))));
}
/// Of a store that has these snapshots, of which `damaged` are so.
SnapshotChoice choose(const std::vector<store::Ref>& refs, const JobLine& job,
                      const std::set<std::uint64_t>& damaged, std::size_t* examined = nullptr) {
  store::RefList list;
  list.refs = refs;
  list.last_number = refs.empty() ? 0 : refs.back().number;
  const auto examine = [&](const store::Ref& one) {
    if (examined != nullptr) ++*examined;
    return damaged.contains(one.number) ? std::string("a byte is another") : std::string();
  };
  return choose_snapshot(list, job, examine, parents_are({}));
}

TEST(TheLineOfAJob, IsThatOfItsBranchFromTheNewestBack) {
  EXPECT_THAT(line({ref(1), ref(2, "other"), ref(3)}, {}), ElementsAre(3, 1));
  EXPECT_THAT(line({}, {}), IsEmpty());
}

TEST(TheLineOfAJob, GoesOnWithWhereTheBranchBegan) {
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3), ref(4, "lr-halved")};
  EXPECT_THAT(line(refs, {"lr-halved", to_string(id(2)), {}}), ElementsAre(4, 2, 1));
}

/// A job that went back twice: the branch from which its own began had begun on another.
TEST(TheLineOfAJob, GoesOnToTheBranchOnWhichThatOneBegan) {
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3, "from-100"), ref(4, "from-300")};
  const JobLine job{"from-300", to_string(id(3)), {}};
  EXPECT_THAT(line(refs, job, {{2, 1}, {3, 1}, {4, 3}}), ElementsAre(4, 3, 1));
}

TEST(TheLineOfAJob, HasNoneOfAnotherRunOfThatName) {
  const std::vector<store::Ref> refs{ref(1, "main", "a"), ref(2, "main", "b"), ref(3, "main", "b"),
                                     ref(4, "main", "a")};
  EXPECT_THAT(line(refs, {{}, {}, "b"}), ElementsAre(3, 2));
  EXPECT_THAT(line(refs, {{}, {}, "c"}), IsEmpty());
}

/// A rollback, and a restore under its old name: the state is of a run that is named.
TEST(TheLineOfAJob, HasThoseOfTheRunFromWhichItWentOn) {
  const std::vector<store::Ref> refs{ref(1, "main", "z"), ref(2, "main", "a"), ref(3, "main", "a"),
                                     ref(4, "main", "a"), ref(5, "from-300", "b")};
  const auto from = to_string(id(3));
  EXPECT_THAT(line(refs, {"from-300", from, "b"}), ElementsAre(5, 3, 2));
  EXPECT_THAT(line(refs, {"from-200", from, "c"}), ElementsAre(3, 2))
      << "it has taken none of its own";
}

/// An earlier release wrote them: which of the runs they are of, the parents tell.
TEST(TheLineOfAJob, HasThoseThatDoNotNameTheirRun) {
  const std::vector<store::Ref> refs{ref(1), ref(2, "main", "a"), ref(3, "main", "b")};
  EXPECT_THAT(line(refs, {{}, {}, "b"}, {{3, 1}}), ElementsAre(3, 1));
  EXPECT_THAT(line(refs, {{}, {}, "b"}), ElementsAre(3)) << "it may be of the other run";
  EXPECT_THAT(line(refs, {{}, to_string(id(2)), "b"}), ElementsAre(3, 2, 1));
}

TEST(ChosenSnapshot, IsNoneAndSaysSoWhereAllAreOfAnotherRun) {
  const auto choice = choose({ref(1, "main", "a"), ref(2, "main", "a")}, {{}, {}, "b"}, {});
  EXPECT_FALSE(choice.ref);
  EXPECT_FALSE(choice.has_none_at_all);
  EXPECT_THAT(choice.passed_over,
              ElementsAre(HasSubstr("2 snapshots of its name are there, none is of")));
}

TEST(ChosenSnapshot, IsTheNewestAndItsBranchGoesOn) {
  const auto choice = choose({ref(1), ref(2)}, {}, {});
  ASSERT_TRUE(choice.ref);
  EXPECT_EQ(choice.ref->number, 2U);
  EXPECT_EQ(choice.branch, "main");
  EXPECT_THAT(choice.passed_over, IsEmpty());
}

TEST(ChosenSnapshot, IsTheNextOlderOneWhereTheNewestIsDamagedAsABranchOfItsOwn) {
  const auto choice = choose({ref(1), ref(2), ref(3)}, {}, {3});
  ASSERT_TRUE(choice.ref);
  EXPECT_EQ(choice.ref->number, 2U);
  EXPECT_EQ(choice.branch, "from-200");
  EXPECT_THAT(choice.passed_over,
              ElementsAre(HasSubstr("snapshot 3 of step 300 is damaged: a byte")));
}

TEST(ChosenSnapshot, KeepsTheNameOfABranchThatHasNoneYet) {
  const auto choice = choose({ref(1), ref(2)}, {"lr-halved", to_string(id(1)), {}}, {});
  ASSERT_TRUE(choice.ref);
  EXPECT_EQ(choice.ref->number, 1U);
  EXPECT_EQ(choice.branch, "lr-halved");
}

TEST(ChosenSnapshot, IsLookedForThreeTimesAtMost) {
  std::size_t examined = 0;
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3), ref(4), ref(5)};
  const auto choice = choose(refs, {}, {3, 4, 5}, &examined);
  EXPECT_FALSE(choice.ref);
  EXPECT_EQ(examined, kSnapshotTriesMax);
  EXPECT_THAT(choice.passed_over, SizeIs(3));
  EXPECT_FALSE(choice.has_none_at_all) << "it must not begin at its first step";
}

TEST(ChosenSnapshot, IsNoneWhereTheStoreNeverHadOne) {
  EXPECT_TRUE(choose({}, {}, {}).has_none_at_all);
  store::RefList list;
  list.damaged.push_back({"jobs/gpt/refs/1", "no JSON"});
  list.last_number = 1;
  const auto whole = [](const store::Ref&) { return std::string(); };
  const auto choice = choose_snapshot(list, {}, whole, parents_are({}));
  EXPECT_FALSE(choice.has_none_at_all);
  EXPECT_THAT(choice.passed_over, ElementsAre(HasSubstr("no JSON")));
}

}  // namespace
}  // namespace cardswap::snapshots
