#include <gmock/gmock.h>
#include <sqlite3.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/jobs/job.h"
#include "agent/journal/journal.h"
#include "agent/journal/versions.h"
#include "migrator/base/error.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

TEST(JobRecord, KeepsAJobWithEachOfItsProcesses) {
  Job job;
  job.id = "j-1";
  job.spec = {.name = "gpt",
              .uid = "u-1",
              .argv = {"python", "train.py"},
              .cwd = "/srv",
              .env = {{"A", "b"}},
              .restart = RestartRule::on_failure,
              .user = "ada",
              .arrive = ArrivalMode::criu,
              .hold_at = 41000,
              .again_until = 40900};
  job.epoch = 7;
  job.newer_epoch = 9;
  job.standby = job.superseded = true;
  job.migration = "m-1";
  job.restarts = 3;
  InstanceRecord first;
  first.id = "i-1";
  first.state = InstanceState::running;
  first.device = "cuda:1";
  first.token = "t-1";
  first.program = {11, 12};
  first.parent = {13, 14};
  first.init = {15, 16};
  first.boot_id = "b";
  first.step = 120;
  first.exit_signal = 9;
  first.moved_to = "gpu-b/cuda:0";
  first.moved_ranks = {{2, "gpu-b:7070/cuda:0"}};
  first.keeps_places = true;
  first.relocatable_bytes = 2048;
  job.instances.emplace_back(job, std::move(first));
  InstanceRecord second;
  second.id = "i-2";
  second.rank = 1;
  job.instances.emplace_back(job, std::move(second));

  const Job again(to_journal(job));
  EXPECT_EQ(again.id, "j-1");
  EXPECT_EQ(again.name(), "gpt");
  EXPECT_EQ(again.uid(), "u-1");
  EXPECT_THAT(again.spec.argv, ElementsAre("python", "train.py"));
  EXPECT_THAT(again.spec.env, ElementsAre(Pair("A", "b")));
  EXPECT_EQ(again.spec.restart, RestartRule::on_failure);
  EXPECT_EQ(again.spec.user, "ada");
  EXPECT_EQ(again.spec.arrive, ArrivalMode::criu);
  EXPECT_EQ(again.spec.hold_at, 41000U);
  EXPECT_EQ(again.spec.again_until, 40900U);
  EXPECT_EQ(again.epoch, 7U);
  EXPECT_EQ(again.newer_epoch, 9U);
  EXPECT_TRUE(again.standby && again.superseded);
  EXPECT_EQ(again.migration, "m-1");
  EXPECT_EQ(again.restarts, 3U);
  ASSERT_THAT(again.instances, SizeIs(2));
  const auto& one = again.first();
  EXPECT_EQ(&one.job(), &again);
  EXPECT_EQ(one.id(), "i-1");
  EXPECT_EQ(one.state(), InstanceState::running);
  EXPECT_EQ(one.device(), "cuda:1");
  EXPECT_EQ(one.record().token, "t-1");
  EXPECT_EQ(one.program(), (ProcessId{11, 12}));
  EXPECT_EQ(one.record().parent, (ProcessId{13, 14}));
  EXPECT_EQ(one.record().init, (ProcessId{15, 16}));
  EXPECT_EQ(one.saved_step, 120U);
  EXPECT_FALSE(one.record().exit_code);
  EXPECT_EQ(one.record().exit_signal, 9);
  EXPECT_EQ(one.record().moved_to, "gpu-b/cuda:0");
  EXPECT_THAT(one.record().moved_ranks, ElementsAre(Pair(2U, "gpu-b:7070/cuda:0")));
  EXPECT_TRUE(one.record().keeps_places);
  EXPECT_EQ(one.record().relocatable_bytes, 2048U);
  EXPECT_EQ(again.instances.back().record().rank, 1U);
  EXPECT_EQ(again.instances.back().id(), "i-2");
  EXPECT_TRUE(again.is_live());
}

TEST(JobRecord, HasStatesByNamesThatReadBack) {
  for (std::size_t i = 0; i < kCountOf<InstanceState>; ++i) {
    Job job;
    const auto state = static_cast<InstanceState>(i);
    job.instances.emplace_back(job, InstanceRecord{.state = state});
    const auto record = to_journal(job);
    EXPECT_EQ(std::string(record.at("instances").at(0).at("state").as_string()), to_string(state));
    EXPECT_EQ(Job(record).first().state(), state) << to_string(state);
  }
}

TEST(JobRecord, OfAProcessWhoseStateNobodyKnowsIsOfNoneThatLives) {
  Job job;
  job.instances.emplace_back(job, InstanceRecord{.state = InstanceState::running});
  auto record = to_journal(job);
  auto& process = record["instances"].as_array().at(0).as_object();
  process["state"] = "dreams";
  EXPECT_EQ(Job(record).first().state(), InstanceState::lost);
  process.erase("state");
  EXPECT_FALSE(Job(record).is_live());
}

TEST(JobRecord, WithoutAProcessIsNone) {
  auto record = to_journal(Job());
  EXPECT_THROW(const Job none(record), Error);
}

TEST(JobRecord, OfVersion2HasWhatIsOfTheProcessApart) {
  const auto job = from_version_2("job", {{"name", "gpt"},
                                          {"uid", "u-1"},
                                          {"argv", {"train", "-v"}},
                                          {"epoch", 4},
                                          {"migration", "m-2"},
                                          {"instance", "i-1"},
                                          {"state", "running"},
                                          {"pid", 11},
                                          {"start_time", 12},
                                          {"homed_bytes", 2048},
                                          {"of_tomorrow", true}});
  const auto& instance = job.at("instances").at(0).as_object();
  EXPECT_TRUE(instance.at("of_tomorrow").as_bool());
  EXPECT_FALSE(job.contains("pid"));
  const Job read(job);
  EXPECT_EQ(read.id, "i-1") << "the record's key in the journal";
  EXPECT_EQ(read.world_size, 1U);
  EXPECT_EQ(read.epoch, 4U);
  EXPECT_EQ(read.migration, "m-2");
  EXPECT_EQ(read.first().id(), "i-1");
  EXPECT_EQ(read.first().record().rank, 0U);
  EXPECT_EQ(read.first().program(), (ProcessId{11, 12}));
  EXPECT_EQ(read.first().record().relocatable_bytes, 2048U);
  const json::object cordon{{"device", "cpu:0"}};
  EXPECT_EQ(from_version_2("cordon", cordon), cordon);
}

/// A journal file that another release has written.
class JournalOfAnother : public ::testing::Test {
 protected:
  JournalOfAnother() {
    std::string pattern = "/tmp/cs-other-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    run("CREATE TABLE meta (version INTEGER NOT NULL);"
        "CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, "
        "PRIMARY KEY (kind, id));"
        "INSERT INTO records VALUES ('job', 'i-1', '{\"instance\": \"i-1\", \"name\": \"gpt\"}');"
        "INSERT INTO records VALUES ('job', 'i-2', '{\"ms\": NaN}');");
  }
  ~JournalOfAnother() override { std::filesystem::remove_all(dir_); }

  void run(const std::string& sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    char* why = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &why), SQLITE_OK) << why;
    sqlite3_close(db);
  }
  /// The first column of each row.
  [[nodiscard]] std::vector<std::string> column(const std::string& query) const {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    std::vector<std::string> found;
    const auto take = [](void* to, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(to)->emplace_back(values[0]);
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db, query.c_str(), take, &found, nullptr), SQLITE_OK);
    sqlite3_close(db);
    return found;
  }
  [[nodiscard]] std::filesystem::path file() const { return dir_ / "journal.db"; }

  std::filesystem::path dir_;
};

TEST_F(JournalOfAnother, IsBroughtUpToDateOnce) {
  run("INSERT INTO meta VALUES (2)");
  for (int times = 0; times < 2; ++times) {
    const Journal journal(file());
    const auto jobs = journal.all(Journal::Kind::job);
    ASSERT_THAT(jobs, SizeIs(1));
    EXPECT_EQ(jobs[0].at("instances").as_array().size(), 1U);
    EXPECT_EQ(jobs[0].at("instances").at(0).at("instance"), "i-1");
    EXPECT_EQ(journal.damaged_records(), 1U) << "as it was";
  }
}

/// Method: the last write of it is refused, as by a disk that has become full.
TEST_F(JournalOfAnother, StaysWhatItWasWhereItCannotBeBroughtUpToDate) {
  run("INSERT INTO meta VALUES (2);"
      "CREATE TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no room'); END");
  try {
    const Journal journal(file());
    ADD_FAILURE() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::io);
    EXPECT_THAT(error.failure(), HasSubstr("no room"));
  }
  EXPECT_THAT(column("SELECT document FROM records WHERE id = 'i-1'"),
              ElementsAre(R"({"instance": "i-1", "name": "gpt"})"));
  run("DROP TRIGGER full");
  const Journal journal(file());
  const auto jobs = journal.all(Journal::Kind::job);
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_EQ(jobs[0].at("instances").at(0).at("instance"), "i-1");
}

TEST_F(JournalOfAnother, IsLeftToTheLaterReleaseThatWroteIt) {
  run("INSERT INTO meta VALUES (5)");
  const auto all = "SELECT name FROM sqlite_schema UNION SELECT document FROM records";
  const auto before = column(all);
  for (int times = 0; times < 2; ++times) {
    try {
      const Journal journal(file());
      ADD_FAILURE() << "it was opened";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("version 5"), HasSubstr("--data-dir")));
    }
  }
  EXPECT_EQ(column(all), before);
}

}  // namespace
}  // namespace cardswap
