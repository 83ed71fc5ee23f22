/// Method: an agent is started on the journal that an earlier release left (journals/REVISION.sql,
/// record by record as that release wrote them), with a process of one job still alive. It knows
/// everything that stood there, and takes up what was under way.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sqlite3.h>

#include <boost/json.hpp>
#include <fstream>

#include "agent/base/units.h"
#include "agent/process/process.h"
#include "tests/support/http.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string with(std::string text, std::string_view mark, const std::string& value) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    text.replace(at, mark.size(), value);
  }
  return text;
}

/// The journal of that release, with a live process and times of today.
void write_journal(const std::filesystem::path& path, const std::string& release, ProcessId lives) {
  auto sql = read_file(JOURNALS "/" + release + ".sql");
  ASSERT_FALSE(sql.empty());
  sql = with(sql, "@AT@", std::to_string(unix_ms() / 1000 - 3600));
  sql = with(sql, "@PID@", std::to_string(lives.pid));
  sql = with(sql, "@START@", std::to_string(lives.start_time));
  for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path.string() + suffix);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* why = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &why), SQLITE_OK) << why;
  sqlite3_close(db);
}

class OldJournal : public ::testing::Test {
 protected:
  OldJournal() {
    a_.kill_agent(SIGTERM);
    write_journal(a_.dir() / "journal.db", "50975f4",
                  {sleeper_.pid(), start_time_of(sleeper_.pid()).value_or(0)});
    a_.start_agent();
  }

  json::object migration(const std::string& id) { return a_.ask({"status", id}); }

  const TempDir dir_;
  Child sleeper_{{"/bin/sleep", "600"}, (dir_.path() / "sleeper.log").string()};
  Host a_{dir_.path() / "a", {.name = "gpu-a"}};
};

/// Of the agent that brought it up to date, and of the next one, which reads what that one wrote.
TEST_F(OldJournal, IsReadWithNothingPutAside) {
  for (int agents = 0; agents < 2; ++agents) {
    EXPECT_THAT(a_.log(), Not(HasSubstr("damaged")));
    const auto gpt = a_.job("gpt");
    EXPECT_EQ(text(gpt, "state"), "running");
    EXPECT_EQ(text(gpt, "uid"), "u-gpt");
    EXPECT_EQ(number(gpt, "pid"), sleeper_.pid());
    EXPECT_EQ(number(gpt, "step"), 120);
    EXPECT_EQ(number(gpt, "relocatable_bytes"), 2048) << "homed_bytes, as that release called it";
    EXPECT_EQ(number(gpt, "homed_bytes"), 2048) << "for those who know no other name";
    EXPECT_EQ(text(a_.job("bert"), "moved_to"), "gpu-b:7070/cpu:0");
    EXPECT_EQ(text(gpt, "came_from"), "gpu-b/cpu:0");
    EXPECT_EQ(text(a_.job("vit"), "moved_to"), "127.0.0.1:1/cpu:0");  // it was committed
    EXPECT_EQ(a_.command({"jobs"}).exit_code, 0);
    a_.kill_agent(SIGTERM);
    a_.start_agent();
  }
}

TEST_F(OldJournal, KeepsEveryFigureOfAMigrationThatIsOver) {
  const auto m = migration("m-00000001");
  const auto expected = json::parse(R"({
    "strategy": "replay", "arrive": "standby", "max_downtime_ms": 250, "bandwidth": 209715200,
    "timeout_ms": 0, "chunk_bytes": 65536, "log_memory": 1048576, "auto_converge": true,
    "encrypt": true, "compression": "zstd", "state": "completed", "result": "ok",
    "predicted_downtime_ms": 80.5, "downtime_ms": 61.5, "clock_error_ms": 0.5,
    "migrated_at_step": 77, "root": "0123456789abcdef0123456789abcdef", "max_rounds": 0})");
  for (const auto& item : expected.as_object()) {
    if (item.value().is_number()) {
      EXPECT_EQ(number(m, item.key()), item.value().to_number<double>()) << item.key();
    } else {
      EXPECT_EQ(m.at(item.key()), item.value()) << item.key();
    }
  }
  const auto& progress = m.at("progress").as_object();
  EXPECT_EQ(number(progress, "remaining"), 7);
  EXPECT_EQ(number(progress, "log_lag_bytes"), 16);
  EXPECT_EQ(number(progress, "log_wait_ms"), 9.5) << "hold_ms, as that release called it";
  EXPECT_EQ(text(progress, "not_replayed"), "head.bias");
  EXPECT_EQ(text(progress, "gpu_path"), "staged") << "card_path, as that release called it";
  EXPECT_EQ(m.at("history").as_array().size(), 10U);
  const auto timeline =
      ask_over_unix(a_, {.target = "/v1/migrations/m-00000001/timeline"}).body.at("samples");
  ASSERT_EQ(timeline.as_array().size(), 2U);
  EXPECT_EQ(number(timeline.as_array()[1].as_object(), "log_lag_bytes"), 4);
  EXPECT_EQ(text(timeline.as_array()[1].as_object(), "state"), "syncing");

  const auto failed = migration("m-00000003");
  EXPECT_EQ(text(failed, "arrive"), "criu");
  EXPECT_EQ(number(failed.at("process").as_object(), "image_bytes"), 99);
  EXPECT_EQ(text(failed.at("error").as_object(), "code"), "not_converging");
}

TEST_F(OldJournal, HasItsMigrationsTakenUp) {
  // One that was not committed is given up, and its job is free for the next one.
  EXPECT_TRUE(within(10s, [&] { return text(migration("m-00000002"), "state") == "aborted"; }));
  const auto given_up = migration("m-00000002");
  EXPECT_EQ(text(given_up.at("error").as_object(), "code"), "source_lost");
  EXPECT_EQ(number(given_up.at("progress").as_object(), "remaining"), 40);
  EXPECT_EQ(text(a_.job("gpt"), "state"), "running");
  // One that was committed stays so, whatever its target does.
  EXPECT_TRUE(within(10s, [&] { return text(migration("m-00000004"), "state") == "in_doubt"; }));
  EXPECT_TRUE(migration("m-00000004").at("result").is_null());
}

/// A reservation that ended has no time in that journal: it stays as long as its job lives here.
TEST_F(OldJournal, KeepsHowAJobThatIsHereArrived) {
  const auto all = json::serialize(
      ask_over_unix(a_, {.target = "/v1/migrations?incoming=1"}).body.at("migrations"));
  EXPECT_THAT(all, HasSubstr("m-0000000a"));
  EXPECT_THAT(all, HasSubstr("1.25E1"));
  EXPECT_THAT(all, Not(HasSubstr("m-0000000b")));
}

}  // namespace
}  // namespace cardswap::test
