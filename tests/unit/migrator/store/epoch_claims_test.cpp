#include "migrator/store/epoch_claims.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/names.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Claims an epoch of the run; what was refused, or none.
std::optional<Error> refused(Store& store, const std::string& run, std::uint64_t epoch,
                             const std::string& job = "gpt") {
  try {
    claim_epoch(store, {job, run, epoch, "host-" + run});
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

void take_over(Store& store, const std::string& run, const std::string& from,
               std::uint64_t snapshot_epoch, const std::string& job = "gpt") {
  take_over_run(store, {job, run, snapshot_epoch + 1, "host-" + run}, from, snapshot_epoch);
}

TEST(EpochClaims, AreARunsOwnAgainAndAgain) {
  InMemoryStore store;
  for (const std::uint64_t epoch : {3U, 3U, 4U, 104U, 104U}) {
    EXPECT_FALSE(refused(store, "one", epoch)) << epoch;
  }
  EXPECT_THAT(list_all(store, kClaimedEpochs), SizeIs(3));
}

TEST(EpochClaims, OfAHigherEpochRefuseALowerOne) {
  InMemoryStore store;
  ASSERT_FALSE(refused(store, "one", 4));
  ASSERT_FALSE(refused(store, "one", 104)) << "taken back by force";
  const auto old = refused(store, "one", 5);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->code(), Code::conflict);
  EXPECT_THAT(old->failure(), AllOf(HasSubstr("another copy of job gpt may be alive"),
                                    HasSubstr("epoch 104"), HasSubstr("host-one")));
  EXPECT_THAT(old->hint(), HasSubstr("cardswap jobs gpt"));
}

TEST(EpochClaims, OfARunThatWentOnFromASnapshotRefuseTheOldCopyWhateverItsEpochBecomes) {
  InMemoryStore store;
  ASSERT_FALSE(refused(store, "old", 4));
  take_over(store, "new", "old", 4);
  for (const std::uint64_t epoch : {4U, 5U, 6U, 900U}) {
    const auto old = refused(store, "old", epoch);
    ASSERT_TRUE(old) << epoch;
    EXPECT_EQ(old->code(), Code::conflict);
    EXPECT_THAT(old->failure(),
                AllOf(HasSubstr("another copy of job gpt may be alive"), HasSubstr("host-new")));
  }
  EXPECT_FALSE(refused(store, "new", 5));
}

TEST(EpochClaims, OfTheOldCopyThatNoSnapshotTellsAreOutdoneToo) {
  InMemoryStore store;
  ASSERT_FALSE(refused(store, "old", 9)) << "it was moved since its last snapshot, of epoch 4";
  take_over(store, "new", "old", 4);
  EXPECT_TRUE(refused(store, "old", 9));
  EXPECT_FALSE(refused(store, "new", 5));
}

TEST(EpochClaims, AreNotNeededByAnotherRunOfTheName) {
  InMemoryStore store;
  ASSERT_FALSE(refused(store, "one", 40));
  EXPECT_FALSE(refused(store, "two", 1)) << "it was begun at its first step";
  EXPECT_FALSE(refused(store, "one", 40));
}

TEST(EpochClaims, OfAJobOfAnotherNameSayNothing) {
  InMemoryStore store;
  ASSERT_FALSE(refused(store, "one", 4));
  EXPECT_FALSE(refused(store, "probe", 1, "gpt-probe"));
  EXPECT_FALSE(refused(store, "one", 4));
}

TEST(EpochClaims, OfTheLatestRestoreRefuseThoseBefore) {
  InMemoryStore store;
  take_over(store, "first", "old", 4);
  ASSERT_FALSE(refused(store, "first", 5));
  take_over(store, "second", "old", 4);
  EXPECT_TRUE(refused(store, "first", 5)) << "it went on from the same snapshot, before";
  EXPECT_FALSE(refused(store, "second", 5));
  take_over(store, "third", "old", 4);
  EXPECT_TRUE(refused(store, "second", 5));
  EXPECT_TRUE(refused(store, "first", 5));
  EXPECT_FALSE(refused(store, "third", 5));
}

TEST(EpochClaims, OfARunThatRecoversAreTheSameAsBefore) {
  InMemoryStore store;
  take_over(store, "new", "old", 4);
  const auto before = list_all(store, kClaimedEpochs);
  take_over(store, "new", "old", 4);
  take_over(store, "new", "new", 6);
  take_over(store, "new", "", 6);
  EXPECT_EQ(list_all(store, kClaimedEpochs), before);
}

TEST(EpochClaims, OfNoRunAreNone) {
  InMemoryStore store;
  EXPECT_FALSE(refused(store, "", 4));
  take_over(store, "", "old", 4);
  EXPECT_THAT(list_all(store, kClaimedEpochs), IsEmpty());
}

/// The damage is told by a check of the store; the job's next snapshot is not lost to it.
TEST(EpochClaims, ThatCannotBeReadCountByTheirNames) {
  InMemoryStore store;
  const auto name = claimed_epoch_name("gpt", "one", 7);
  (void)store.put_new(name, test::bytes_of("no claim"));
  EXPECT_TRUE(refused(store, "one", 6));
  EXPECT_FALSE(refused(store, "one", 7));
  EXPECT_FALSE(refused(store, "one", 8));
  EXPECT_THAT(check_store(store), testing::Contains(testing::Field(&Damage::object, name)));
}

/// Method: the old copy has begun its snapshot when the job is restored elsewhere.
TEST(EpochClaims, AreLookedAtOnceMoreBeforeASnapshotIsPublished) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  auto facts = test::facts_of(state, 4);
  facts.run = "old";
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, state);
  take_over(store, "new", "old", 4);
  try {
    (void)writer.commit(facts);
    ADD_FAILURE() << "it was published";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
  }
  EXPECT_THAT(refs_of(store, "gpt").refs, IsEmpty());
}

TEST(EpochClaims, ComeWithEachSnapshot) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  auto facts = test::facts_of(state, 4);
  facts.run = "one";
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, state);
  (void)writer.commit(facts);
  EXPECT_THAT(list_all(store, kClaimedEpochs),
              testing::ElementsAre(claimed_epoch_name("gpt", "one", 4)));
  EXPECT_TRUE(refused(store, "one", 3));
}

}  // namespace
}  // namespace cardswap::store
