/// Method: an agent closes a host or one device of it. What counts is what `run` and `migrate` are
/// told, what every command shows, and what is left after the agent was killed. How the journal
/// keeps a cordon is asked of files alone.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/jobs/cordon.h"
#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class CordonedHost : public ::testing::Test {
 protected:
  std::string b(const std::string& device = "") const {
    return "127.0.0.1:" + std::to_string(b_.port()) + (device.empty() ? "" : "/" + device);
  }
  boost::json::object device(const std::string& name) const {
    const auto answer = b_.ask({"devices"});
    for (const auto& item : answer.at("devices").as_array()) {
      if (text(item.as_object(), "name") == name) return item.as_object();
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }
  void start_job_on_a() {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 2; })) << a_.log();
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b", .devices = {"cpu:0", "cpu:1"}}};
};

TEST_F(CordonedHost, RefusesToRunAndToTakeWithTheReasonAndAHint) {
  start_job_on_a();
  ASSERT_EQ(a_.command({"cordon", b(), "--reason", "new fans"}).exit_code, 0);

  const auto run = b_.command({"run", "--name", "other", "--", "/bin/true"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("job other: b is cordoned (new fans)"));
  EXPECT_THAT(run.err, HasSubstr("cardswap uncordon HOST"));

  const auto migrate = a_.command({"migrate", "job", "--to", b_.at("cpu:0")});
  EXPECT_EQ(migrate.exit_code, 3);
  EXPECT_THAT(migrate.err, HasSubstr("b is cordoned (new fans)"));
  EXPECT_EQ(text(a_.job("job"), "state"), "running");
  const auto plan = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
  EXPECT_THAT(plan.out, HasSubstr("blocked: b is cordoned (new fans)"));

  ASSERT_EQ(a_.command({"uncordon", b()}).exit_code, 0);
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
}

TEST_F(CordonedHost, ClosesOneDeviceOnly) {
  ASSERT_EQ(a_.command({"cordon", b("cpu:1")}).exit_code, 0);
  EXPECT_TRUE(device("cpu:1").at("cordoned").as_bool());
  EXPECT_FALSE(device("cpu:0").at("cordoned").as_bool());
  EXPECT_EQ(b_.command({"run", "--name", "x", "--device", "cpu:1", "--", "/bin/true"}).exit_code,
            3);
  EXPECT_EQ(b_.command({"run", "--name", "x", "--device", "cpu:0", "--", "/bin/true"}).exit_code,
            0);
  EXPECT_EQ(a_.command({"cordon", b("cpu:9")}).exit_code, 3);
}

TEST_F(CordonedHost, IsSeenAndLastsOverAKillOfTheAgent) {
  ASSERT_EQ(a_.command({"cordon", b(), "--reason", "new fans"}).exit_code, 0);
  ASSERT_EQ(a_.command({"cordon", b("cpu:1"), "--reason", "ECC"}).exit_code, 0);
  b_.kill_agent(SIGKILL);
  b_.start_agent();
  EXPECT_THAT(b_.command({"devices"}).out, HasSubstr("cordoned: new fans"));
  EXPECT_EQ(text(device("cpu:0"), "cordon_reason"), "new fans");

  // The host's is lifted, the device's stays, and the command says so.
  const auto lifted = b_.command({"uncordon", b()});
  EXPECT_THAT(lifted.out, HasSubstr("still cordoned: " + b("cpu:1")));
  EXPECT_EQ(text(device("cpu:1"), "cordon_reason"), "ECC");
  EXPECT_EQ(b_.command({"uncordon", b("cpu:1")}).exit_code, 0);
  EXPECT_EQ(b_.command({"uncordon", b("cpu:1")}).exit_code, 0) << "again is no error";
  EXPECT_THAT(b_.command({"devices"}).out, Not(HasSubstr("cordoned")));
}

TEST(Cordons, KeepTheTimeOfTheFirstUntilTheReasonChanges) {
  const TempDir dir;
  Journal journal(dir.path() / "journal.db");
  Cordons cordons(journal);
  cordons.set({"", "fans", "ann@a", 1000});
  cordons.set({"", "fans", "bob@b", 2000});
  EXPECT_EQ(cordons.find("cpu:0")->at_ms, 1000);
  cordons.set({"", "disk", "bob@b", 3000});
  EXPECT_EQ(cordons.find("cpu:0")->by, "bob@b");
  EXPECT_EQ(to_string(*cordons.find("cpu:0"), "b"), "b is cordoned (disk)");
  EXPECT_EQ(Cordons(journal).find("cpu:0")->at_ms, 3000);
  EXPECT_TRUE(cordons.lift(""));
  EXPECT_FALSE(cordons.lift(""));
  EXPECT_FALSE(Cordons(journal).find("cpu:0"));
}

TEST(Cordons, LoseOfADamagedRecordThatRecordAlone) {
  const TempDir dir;
  Journal journal(dir.path() / "journal.db");
  journal.put(Journal::Kind::cordon, "cpu:0", {{"device", "cpu:0"}, {"at_ms", 1e300}});
  journal.put(Journal::Kind::cordon, "cpu:1", {{"device", "cpu:1"}, {"reason", "fans"}});
  const Cordons cordons(journal);
  EXPECT_FALSE(cordons.find("cpu:0"));
  EXPECT_TRUE(cordons.find("cpu:1"));
  EXPECT_EQ(journal.damaged_records(), 1U);
}

/// Method: the file as the version before cordons made it.
TEST(Cordons, AreTakenByAJournalOfTheFirstVersion) {
  const TempDir dir;
  const auto file = (dir.path() / "journal.db").string();
  const auto made = run({"python3", "-c", R"py(
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("""
CREATE TABLE meta (version INTEGER NOT NULL); INSERT INTO meta VALUES (1);
CREATE TABLE records (kind TEXT NOT NULL CHECK (kind IN ('job', 'migration', 'reservation')),
  id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id));
INSERT INTO records VALUES ('job', 'z', '{"name": "first"}');
INSERT INTO records VALUES ('job', 'a', '{"name": "second"}');""")
)py",
                         file});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  for (int times = 0; times < 2; ++times) {
    Journal journal(file);
    EXPECT_TRUE(journal.warnings().empty());
    Cordons(journal).set({"cpu:0", "fans", "", 1});
    const auto jobs = journal.all(Journal::Kind::job);
    ASSERT_EQ(jobs.size(), 2U);
    EXPECT_EQ(text(jobs[0], "name"), "first");
    EXPECT_TRUE(Cordons(journal).find("cpu:0"));
  }
}

}  // namespace
}  // namespace cardswap::test
