#include <gmock/gmock.h>

#include "migrator/base/error.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/job_retention.h"
#include "migrator/store/keep_rule_text.h"
#include "migrator/store/names.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(KeepRule, IsReadAsItIsWritten) {
  for (const auto* text :
       {"last=5,hourly=24,daily=14", "last=1", "hourly=3", "last=2,daily=1", "all"}) {
    EXPECT_EQ(to_string(keep_rule_from(text)), text);
  }
  const auto rule = keep_rule_from("daily=7,last=3");
  EXPECT_EQ(rule.last, 3U);
  EXPECT_EQ(rule.hourly, 0U);
  EXPECT_EQ(rule.daily, 7U);
}

TEST(KeepRule, IsRefusedWhereItDoesNotSayWhatToKeep) {
  for (const auto* text :
       {"", "last", "last=", "last=x", "last=-1", "last=5,", ",last=5", "weekly=1", "last=1,last=2",
        "last=0", "last=4294967296", "last=5 ,daily=1", "none"}) {
    EXPECT_THROW((void)keep_rule_from(text), Error) << text;
  }
}

class JobRetention : public ::testing::Test {
 protected:
  void save(std::uint64_t step) { (void)test::save(store_, test::state_at(step), writer(step)); }
  static std::string writer(std::uint64_t step) { return "w" + std::to_string(step); }
  [[nodiscard]] JobSurplus surplus(const char* rule) {
    return surplus_in(store_, "gpt", keep_rule_from(rule), was_read_back_when_written);
  }

  InMemoryStore store_;
};

TEST_F(JobRetention, GivesUpWhatTheRuleDoesNotKeep) {
  for (std::uint64_t step = 1; step <= 5; ++step) save(step);
  EXPECT_THAT(surplus("last=3").numbers, ElementsAre(1, 2));
  EXPECT_THAT(surplus("all").numbers, IsEmpty());
}

TEST_F(JobRetention, KeepsWhatHasATag) {
  for (std::uint64_t step = 1; step <= 4; ++step) save(step);
  put_tag(store_, "gpt", {"first", 1});
  EXPECT_THAT(surplus("last=2").numbers, ElementsAre(2));
}

TEST_F(JobRetention, KeepsAllButThoseWithTwoVerifiedOnesAfterThem) {
  for (std::uint64_t step = 1; step <= 5; ++step) save(step);
  const auto is_old = [](const Ref& ref) { return ref.number <= 3; };
  EXPECT_THAT(surplus_in(store_, "gpt", keep_rule_from("last=1"), is_old).numbers, ElementsAre(1));
}

TEST_F(JobRetention, GivesNothingUpWhereSomethingCannotBeRead) {
  for (std::uint64_t step = 1; step <= 4; ++step) save(step);
  store_.remove(manifest_name(test::latest(store_)->manifest));
  const auto found = surplus("last=2");
  EXPECT_THAT(found.numbers, IsEmpty());
  EXPECT_THAT(found.damaged, SizeIs(1));
}

TEST_F(JobRetention, OfAJobWithoutSnapshotsIsNothing) {
  EXPECT_THAT(surplus("last=2").numbers, IsEmpty());
}

}  // namespace
}  // namespace cardswap::store
