#include "migrator/store/read_intent.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "migrator/store/file_store.h"
#include "migrator/store/names.h"
#include "migrator/store/prune.h"
#include "migrator/store/prune_rules.h"
#include "tests/support/needs.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::int64_t kNow = 1'000'000;
constexpr const char* kElsewhere = "read-0123456789abcdef-4711-99-1";  // of a host that is another

/// A store with three snapshots of one job, the first of which a prune may remove.
class ReadIntents : public testing::Test {
 protected:
  ReadIntents() {
    for (const std::uint64_t step : {100U, 200U, 300U}) {
      (void)test::save(*store_, test::state_at(step), "w" + std::to_string(step));
    }
  }

  ~ReadIntents() override { std::filesystem::remove_all(dir_); }

  PruneReport prune_at(std::int64_t now_s) {
    PruneOrder order;
    order.surplus["gpt"] = {1};
    order.now_s = now_s;
    order.grace_s = 0;
    return prune(*store_, order);
  }
  [[nodiscard]] std::vector<std::string> intents() {
    return list_all(*store_, intents_prefix("gpt"));
  }
  [[nodiscard]] bool has_the_first() { return store_->size_of(ref_name("gpt", 1)).has_value(); }

  /// In memory: a flush costs nothing there.
  const std::filesystem::path dir_ =
      std::filesystem::path("/dev/shm") / ("cs-readers-" + std::to_string(::getpid()));
  const std::unique_ptr<FileStore> store_ = open_or_create_file_store(dir_ / "store");
};

TEST_F(ReadIntents, KeepWhatWasThereForAsLongAsItIsRead) {
  {
    const ReadIntent reading(*store_, "gpt");
    EXPECT_FALSE(reading.failed());
    const auto first = refs_of(*store_, "gpt").refs.front();
    EXPECT_THAT(prune_at(kNow).trashed, Contains(ref_name("gpt", 1)));
    const auto report = prune_at(kNow + 1);
    EXPECT_THAT(report.removed, IsEmpty());
    EXPECT_THAT(report.waits, ElementsAre(HasSubstr("jobs/gpt/intents/read-")));
    EXPECT_TRUE(test::holds(*store_, first, test::state_at(100)));
  }
  EXPECT_THAT(intents(), IsEmpty());
  EXPECT_THAT(prune_at(kNow + 2).removed, Contains(ref_name("gpt", 1)));
}

TEST_F(ReadIntents, HoldNothingThatWasInTrashBefore) {
  (void)prune_at(kNow);
  const ReadIntent reading(*store_, "gpt");
  EXPECT_THAT(prune_at(kNow + 1).removed, Contains(ref_name("gpt", 1)));
}

TEST_F(ReadIntents, OfAKilledProcessOfThisHostAreRemovedByTheNextPrune) {
  const auto child = ::fork();
  if (child == 0) {
    const ReadIntent reading(*store_, "gpt");
    ::_exit(reading.failed() ? 1 : 9);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 9);
  ASSERT_THAT(intents(), Not(IsEmpty()));
  (void)prune_at(kNow);
  EXPECT_THAT(intents(), IsEmpty());
  EXPECT_THAT(prune_at(kNow + 1).removed, Contains(ref_name("gpt", 1)));
}

TEST_F(ReadIntents, OfAnotherHostAreWaitedForADayAndThenRemoved) {
  const ReadIntent reading(*store_, "gpt", kElsewhere);
  (void)prune_at(kNow);
  EXPECT_THAT(prune_at(kNow + kReadSecondsMax - 1).removed, IsEmpty());
  EXPECT_TRUE(has_the_first());
  EXPECT_THAT(intents(), Not(IsEmpty()));
  EXPECT_THAT(prune_at(kNow + kReadSecondsMax).removed, Contains(ref_name("gpt", 1)));
  EXPECT_THAT(intents(), IsEmpty()) << "the next batch need not wait as long again";
}

TEST_F(ReadIntents, OfWritersAreWaitedForWithoutAnEnd) {
  const Intent writing(*store_, "gpt", "m-12345678");
  (void)prune_at(kNow);
  EXPECT_THAT(prune_at(kNow + 100 * kReadSecondsMax).removed, IsEmpty());
  EXPECT_THAT(intents(), ElementsAre(writing.name()));
}

TEST_F(ReadIntents, AreLeftByAPruneThatOnlyTells) {
  const ReadIntent reading(*store_, "gpt", kElsewhere);
  (void)prune_at(kNow);
  PruneOrder order;
  order.now_s = kNow + kReadSecondsMax;
  order.grace_s = 0;
  order.dry_run = true;
  EXPECT_THAT(prune(*store_, order).removed, Not(IsEmpty()));
  EXPECT_THAT(intents(), Not(IsEmpty()));
}

TEST_F(ReadIntents, AreGoneWithoutWhereTheStoreCannotBeWritten) {
  FileStore read_only(dir_ / "store", [](std::string_view, const std::string& name) {
    throw Error(Code::io, name + ": the disk is read-only");
  });
  const ReadIntent reading(read_only, "gpt");
  ASSERT_TRUE(reading.failed());
  EXPECT_THAT(reading.failed()->failure(), HasSubstr("the disk is read-only"));
  EXPECT_TRUE(test::holds(read_only, *test::latest(read_only), test::state_at(300)));
}

TEST_F(ReadIntents, AreNotPutWhereThereIsNothingToHold) {
  const ReadIntent reading(*store_, "other");
  EXPECT_FALSE(reading.failed());
  EXPECT_FALSE(std::filesystem::exists(dir_ / "store/jobs/other"));
  EXPECT_THROW(ReadIntent(*store_, "no/job"), Error);
  EXPECT_THROW(ReadIntent(*store_, "gpt", "w"), Error) << "a writer's name";
}

/// Method: the store is somebody's, and root reads it: what root makes there is that user's.
TEST_F(ReadIntents, OfRootBelongToTheStoresOwner) {
  if (::geteuid() != 0) {
    return cardswap::test::skip_without("root", "the store is given to another user");
  }
  constexpr uid_t kNobody = 65534;
  const auto folder = dir_ / "theirs";
  const auto theirs = open_or_create_file_store(folder);
  (void)test::save(*theirs, test::state_at(100));
  for (const auto& path : std::filesystem::recursive_directory_iterator(folder)) {
    ASSERT_EQ(::lchown(path.path().c_str(), kNobody, kNobody), 0);
  }
  ASSERT_EQ(::chown(folder.c_str(), kNobody, kNobody), 0);
  std::filesystem::remove_all(folder / "jobs/gpt/intents");  // as a copy may have lost it
  const auto again = open_or_create_file_store(folder);
  {
    const ReadIntent reading(*again, "gpt");
    ASSERT_FALSE(reading.failed()) << reading.failed()->what();
    const auto all = list_all(*again, intents_prefix("gpt"));
    ASSERT_EQ(all.size(), 1U);
    struct stat status {};
    ASSERT_EQ(::stat((folder / all.front()).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kNobody);
    ASSERT_EQ(::stat((folder / "jobs/gpt/intents").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kNobody);
  }
  std::filesystem::create_directory(dir_ / "mine");
  struct stat status {};
  ASSERT_EQ(::stat((dir_ / "mine").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
}

}  // namespace
}  // namespace cardswap::store
