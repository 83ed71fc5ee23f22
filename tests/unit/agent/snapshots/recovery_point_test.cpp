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
store::Ref ref(std::uint64_t number, const std::string& branch = "main") {
  return {"gpt", number, id(static_cast<int>(number)), branch, 100 * number, 1};
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
  const Lineage lineage{"lr-halved", to_string(id(2)), 0};
  EXPECT_THAT(numbers(recovery_candidates(refs, lineage)), ElementsAre(4, 2, 1));
}

TEST(RecoveryCandidates, AreNoneOfAnotherRunOfThatName) {
  const std::vector<store::Ref> refs{ref(1), ref(2), ref(3), ref(4)};
  EXPECT_THAT(numbers(recovery_candidates(refs, {{}, {}, 3})), ElementsAre(4, 3));
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
  const auto point = choose({ref(1), ref(2)}, {"lr-halved", to_string(id(1)), 0}, {});
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
