#include "agent/journal/journal.h"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = "/tmp/cs-journal-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~JournalTest() override { std::filesystem::remove_all(dir_); }
  std::filesystem::path dir_;
};

TEST_F(JournalTest, KeepsTheLastRecordUnderAnIdInOrder) {
  {
    Journal journal(dir_ / "j.db");
    journal.put(Journal::Kind::job, "1", {{"step", 1}});
    journal.put(Journal::Kind::job, "2", {{"step", 5}});
    journal.put(Journal::Kind::job, "1", {{"step", 2}});
    journal.put(Journal::Kind::migration, "1", {{"to", "b"}});
  }
  const Journal again(dir_ / "j.db");
  const auto jobs = again.all(Journal::Kind::job);
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_EQ(jobs[0].at("step"), 2);
  EXPECT_THAT(again.all(Journal::Kind::migration), SizeIs(1));
  EXPECT_THAT(again.warnings(), IsEmpty());
}

TEST_F(JournalTest, PutsADamagedFileAsideAndStartsAfresh) {
  std::ofstream(dir_ / "j.db") << std::string(10000, 'x');
  Journal journal(dir_ / "j.db");
  EXPECT_THAT(journal.warnings(), ElementsAre(HasSubstr("corrupt-")));
  journal.put(Journal::Kind::job, "1", {{"step", 1}});
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(1));
}

/// Method: another connection holds it longer than the journal waits.
TEST_F(JournalTest, LeavesAFileThatSomebodyHoldsWhereItIs) {
  Journal(dir_ / "j.db").put(Journal::Kind::job, "1", {{"step", 1}});
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "j.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_THROW(const Journal held(dir_ / "j.db"), Error);
  sqlite3_close(db);
  const Journal again(dir_ / "j.db");
  EXPECT_THAT(again.warnings(), IsEmpty());
  EXPECT_THAT(again.all(Journal::Kind::job), SizeIs(1));
}

/// Method: no file of this process may grow any more, as on a disk without a free byte.
TEST_F(JournalTest, SaysThatNothingCanBeWrittenOnceTheDiskIsFull) {
  Journal(dir_ / "j.db").put(Journal::Kind::job, "1", {{"step", 1}});
  Journal journal(dir_ / "j.db");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  const auto on_excess = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto said = journal.write_failure();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, on_excess);
  EXPECT_THAT(said, HasSubstr("write the journal"));
  EXPECT_EQ(journal.write_failures(), 1U);
  journal.put(Journal::Kind::job, "2", {{"step", 2}});
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(2));
}

TEST_F(JournalTest, WritesNothingThatItCouldNotReadAgain) {
  Journal journal(dir_ / "j.db");
  journal.put(Journal::Kind::job, "1", {{"step_ms", 1.5}});
  EXPECT_THROW(
      journal.put(Journal::Kind::job, "1", {{"step_ms", std::numeric_limits<double>::quiet_NaN()}}),
      Error);
  EXPECT_THROW(journal.put(Journal::Kind::job, "1", {{"name", "\xff\xfe"}}), Error);
  EXPECT_THAT(journal.all(Journal::Kind::job), ElementsAre(boost::json::object{{"step_ms", 1.5}}));
}

/// Does that to a journal's file, past the journal.
void run_past(const std::filesystem::path& file, const char* sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

TEST_F(JournalTest, ARecordThatCannotBeSetAsideNowStaysWholeAndIsNotCounted) {
  Journal journal(dir_ / "j.db");
  for (const auto* id : {"1", "2"}) journal.put(Journal::Kind::job, id, {{"id", id}});
  // What a full disk refuses half way.
  run_past(dir_ / "j.db",
           "CREATE TRIGGER no BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'full'); END");
  int taken = 0;
  journal.each(Journal::Kind::job, [&](const boost::json::object& record) {
    if (record.at("id").as_string() == "1") throw std::out_of_range("a field that there is not");
    ++taken;
  });
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(journal.damaged_records(), 0U);
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(2));
  EXPECT_THAT(journal.warnings(), ElementsAre(AllOf(HasSubstr("job 1"), HasSubstr("full"))));
  run_past(dir_ / "j.db", "DROP TRIGGER no");
  journal.each(Journal::Kind::job, [](const boost::json::object& record) {
    if (record.at("id").as_string() == "1") throw std::out_of_range("a field that there is not");
  });
  EXPECT_EQ(journal.damaged_records(), 1U);
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(1));
}

TEST_F(JournalTest, KnowsOfARecordThatIsDamagedAlsoWhenItIsOpenedOnceMore) {
  {
    Journal journal(dir_ / "j.db");
    for (const auto* id : {"1", "2"}) journal.put(Journal::Kind::rank, id, {{"id", id}});
    journal.remove(Journal::Kind::rank, "2");
  }
  run_past(dir_ / "j.db", "UPDATE records SET document = 'no JSON' WHERE id = '1'");
  { const Journal sets_it_aside(dir_ / "j.db"); }
  const Journal journal(dir_ / "j.db");
  EXPECT_THAT(journal.warnings(), IsEmpty());
  EXPECT_TRUE(journal.has_trace_of(Journal::Kind::rank, "1"));
  EXPECT_FALSE(journal.has_trace_of(Journal::Kind::gang, "1"));
  EXPECT_FALSE(journal.has_trace_of(Journal::Kind::rank, "2")) << "it was removed";
}

TEST_F(JournalTest, LosesOfADamagedRecordThatRecordAlone) {
  {
    Journal journal(dir_ / "j.db");
    for (const auto* id : {"1", "2", "3"}) journal.put(Journal::Kind::job, id, {{"id", id}});
  }
  run_past(dir_ / "j.db", "UPDATE records SET document = '{\"ms\":NaN}' WHERE id = '2'");
  Journal journal(dir_ / "j.db");
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(2));
  EXPECT_THAT(journal.warnings(), ElementsAre(AllOf(HasSubstr("job 2"), HasSubstr("damaged"))));
  EXPECT_EQ(journal.damaged_records(), 1U);
  std::vector<std::string> taken;
  journal.each(Journal::Kind::job, [&](const boost::json::object& record) {
    const std::string id(record.at("id").as_string());
    if (id == "3") throw std::out_of_range("a field that there is not");
    taken.push_back(id);
  });
  EXPECT_THAT(taken, ElementsAre("1"));
  EXPECT_THAT(journal.all(Journal::Kind::job), SizeIs(1));
  EXPECT_EQ(journal.damaged_records(), 2U);
}

}  // namespace
}  // namespace cardswap
