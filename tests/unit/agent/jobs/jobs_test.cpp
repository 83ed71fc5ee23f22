#include "agent/jobs/jobs.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <chrono>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

class JobsTest : public ::testing::Test {
 protected:
  JobsTest() {
    config_.data_dir = dir_.path();
    config_.devices = {{.name = "cpu:0"}};
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  EventSink events_;
  Jobs jobs_{context_, tasks_, config_, journal_, events_};
};

TEST_F(JobsTest, GivesOutAProcessWhileItsRecordIsThereAndSaysWhatBecameOfItAfterwards) {
  auto& standby = jobs_.add_standby({.name = "gpt", .argv = {"/bin/true"}},
                                    {.migration = "m-1", .epoch = 2, .device = "cpu:0"});
  EXPECT_EQ(&jobs_.at(standby.id), &standby);
  try {
    (void)jobs_.at("another");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::source_lost);
    EXPECT_FALSE(error.hint().empty());
  }
}

/// Method: somebody else holds the journal while a standby's process ends, and lets go of it.
TEST_F(JobsTest, ForgetsAStandbyThatEndedWhileTheJournalCouldNotBeWritten) {
  {
    Jobs former(context_, tasks_, config_, journal_);
    former.save(former
                    .add_standby({.name = "gpt", .argv = {"/bin/true"}},
                                 {.migration = "m-1", .epoch = 2, .device = "cpu:0"})
                    .job());
  }
  const auto records = [&] {
    std::size_t count = 0;
    journal_.each(Journal::Kind::job, [&](const auto&) { ++count; });
    return count;
  };
  ASSERT_EQ(records(), 1U);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((dir_.path() / "j.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  jobs_.recover([](const Instance&) { return true; });
  const auto turn_until = [&](auto done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < until) {
      context_.restart();
      context_.run_for(std::chrono::milliseconds(10));
    }
  };
  turn_until([&] { return jobs_.all().empty(); });
  EXPECT_TRUE(jobs_.all().empty());
  EXPECT_EQ(records(), 1U) << "somebody else holds it";
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  turn_until([&] { return records() == 0; });
  EXPECT_EQ(records(), 0U);
  tasks_.stop();
  context_.restart();
  context_.poll();
}

}  // namespace
}  // namespace cardswap
