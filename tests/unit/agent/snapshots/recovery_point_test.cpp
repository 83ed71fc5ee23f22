#include "agent/snapshots/recovery_point.h"

#include <gmock/gmock.h>

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
/// Of a store that has these snapshots, of which `damaged` are so.
RecoveryPoint choose(const std::vector<store::Ref>& refs, const Lineage& lineage,
                     const std::set<std::uint64_t>& damaged, std::size_t* examined = nullptr) {
  store::RefList list;
  list.refs = refs;
  list.last_number = refs.empty() ? 0 : refs.back().number;
  return choose_recovery_point(list, lineage, [&](const store::Ref& one) {
    if (examined != nullptr) ++*examined;
    return damaged.contains(one.number) ? std::string("a byte is another") : std::string();
  });
}

TEST(RecoveryCandidates, AreThoseOfTheBranchFromTheNewestBack) {
  EXPECT_THAT(numbers(recovery_candidates({ref(1), ref(2, "other"), ref(3)}, {})),
              ElementsAre(3, 1));
  EXPECT_THAT(recovery_candidates({}, {}), IsEmpty());
}

TEST(RecoveryCandidates, GoOnWithWhereTheBranchBegan) {
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3), ref(4, "lr-halved")};
  const Lineage lineage{"lr-halved", to_string(id(2)), {}};
  EXPECT_THAT(numbers(recovery_candidates(refs, lineage)), ElementsAre(4, 2, 1));
}

TEST(RecoveryCandidates, AreNoneOfAnotherRunOfThatName) {
  const std::vector<store::Ref> refs{ref(1, "main", "a"), ref(2, "main", "b"), ref(3, "main", "b"),
                                     ref(4, "main", "a")};
  EXPECT_THAT(numbers(recovery_candidates(refs, {{}, {}, "b"})), ElementsAre(3, 2));
  EXPECT_THAT(recovery_candidates(refs, {{}, {}, "c"}), IsEmpty());
}

/// A rollback, and a restore under its old name: the state is of a run that is named.
TEST(RecoveryCandidates, AreThoseOfTheRunFromWhichItWentOn) {
  const std::vector<store::Ref> refs{ref(1, "main", "z"), ref(2, "main", "a"), ref(3, "main", "a"),
                                     ref(4, "main", "a"), ref(5, "from-300", "b")};
  const auto from = to_string(id(3));
  EXPECT_THAT(numbers(recovery_candidates(refs, {"from-300", from, "b"})), ElementsAre(5, 3, 2));
  EXPECT_THAT(numbers(recovery_candidates(refs, {"from-200", from, "c"})), ElementsAre(3, 2))
      << "it has taken none of its own";
}

/// An earlier release wrote them.
TEST(RecoveryCandidates, AreOfAnyRunWhereTheyDoNotNameIt) {
  const std::vector<store::Ref> refs{ref(1), ref(2, "main", "a"), ref(3, "main", "b")};
  EXPECT_THAT(numbers(recovery_candidates(refs, {{}, {}, "b"})), ElementsAre(3, 1));
  EXPECT_THAT(numbers(recovery_candidates(refs, {{}, to_string(id(2)), "b"})),
              ElementsAre(3, 2, 1));
}

TEST(RecoveryPoint, IsNoneAndSaysSoWhereAllAreOfAnotherRun) {
  const auto point = choose({ref(1, "main", "a"), ref(2, "main", "a")}, {{}, {}, "b"}, {});
  EXPECT_FALSE(point.ref);
  EXPECT_FALSE(point.has_none_at_all);
  EXPECT_THAT(point.damaged,
              ElementsAre(HasSubstr("2 snapshots are of its name there, none is of")));
}

TEST(RecoveryPoint, IsTheNewestAndItsBranchGoesOn) {
  const auto point = choose({ref(1), ref(2)}, {}, {});
  ASSERT_TRUE(point.ref);
  EXPECT_EQ(point.ref->number, 2U);
  EXPECT_EQ(point.branch, "main");
  EXPECT_THAT(point.damaged, IsEmpty());
}

TEST(RecoveryPoint, IsTheNextOlderOneWhereTheNewestIsDamagedAsABranchOfItsOwn) {
  const auto point = choose({ref(1), ref(2), ref(3)}, {}, {3});
  ASSERT_TRUE(point.ref);
  EXPECT_EQ(point.ref->number, 2U);
  EXPECT_EQ(point.branch, "from-200");
  EXPECT_THAT(point.damaged, ElementsAre(HasSubstr("snapshot 3 of step 300 is damaged: a byte")));
}

TEST(RecoveryPoint, KeepsTheNameOfABranchThatHasNoneYet) {
  const auto point = choose({ref(1), ref(2)}, {"lr-halved", to_string(id(1)), {}}, {});
  ASSERT_TRUE(point.ref);
  EXPECT_EQ(point.ref->number, 1U);
  EXPECT_EQ(point.branch, "lr-halved");
}

TEST(RecoveryPoint, IsLookedForThreeTimesAtMost) {
  std::size_t examined = 0;
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3), ref(4), ref(5)};
  const auto point = choose(refs, {}, {3, 4, 5}, &examined);
  EXPECT_FALSE(point.ref);
  EXPECT_EQ(examined, kSnapshotTriesMax);
  EXPECT_THAT(point.damaged, SizeIs(3));
  EXPECT_FALSE(point.has_none_at_all) << "it must not begin at its first step";
}

TEST(RecoveryPoint, IsNoneWhereTheStoreNeverHadOne) {
  EXPECT_TRUE(choose({}, {}, {}).has_none_at_all);
  store::RefList list;
  list.damaged.push_back({"jobs/gpt/refs/1", "no JSON"});
  list.last_number = 1;
  const auto point = choose_recovery_point(list, {}, [](const store::Ref&) { return ""; });
  EXPECT_FALSE(point.has_none_at_all);
  EXPECT_THAT(point.damaged, ElementsAre(HasSubstr("no JSON")));
}

}  // namespace
}  // namespace cardswap::snapshots
