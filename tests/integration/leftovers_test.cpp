/// Method: migrations that end well and badly, and then a look at both hosts by the kernel's word:
/// processes by their environment, files, sockets, shared memory, command lines. What a migration
/// made is gone, and what is secret was told to nobody.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <sstream>

#include "agent/journal/journal.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/raw_client.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class Leftovers : public ::testing::Test {
 protected:
  void start_job(std::vector<std::string> program = {}) {
    if (program.empty()) program = trainer_;
    a_.run_job("job", program);
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  std::string migrate_and_hold(const std::string& state) {
    const auto id = text(
        a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--hold-at", state, "--detach"}), "id");
    EXPECT_TRUE(within(20s, [&] {
      const auto m = a_.ask({"status", id});
      return text(m, "state") == state && m.at("held").as_bool();
    })) << a_.log();
    return id;
  }
  bool ends(const std::string& id, const std::string& state) {
    return within(20s, [&] { return text(a_.ask({"status", id}), "state") == state; });
  }
  std::string reservation_of(const std::string& id) {
    return text(ask_over_tcp(b_, {.target = "/v1/peer/reservations/" + id}).body, "state");
  }
  /// The agents' own files and the jobs' logs, and no other.
  void expect_known_files_only() {
    for (const auto* host : {&a_, &b_}) {
      EXPECT_THAT(files_below(host->dir()),
                  Each(AnyOf("agent.json", "agent.log", "cardswapd.sock", "runtime.sock", "lock",
                             "journal.db", "journal.db-shm", "journal.db-wal", "predictions.json",
                             "jobs/job/log", StartsWith("jobs/job/log-m-"))));
    }
  }

  const std::vector<std::string> trainer_{
      trainer("plain_memory"), "--steps", "100000", "--bytes", "4194304", "--step-ms", "5"};
  const std::vector<std::string> memory_before_ = shared_memory();
  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "a", .more = {"--log-level", "trace"}}};
  Host b_{dir_.path() / "b", {.name = "b", .more = {"--log-level", "trace"}}};
};

TEST_F(Leftovers, OfACompletedMigrationIsOneTrainerOnTheTargetAndNothingElse) {
  start_job();
  const auto id = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "id");
  EXPECT_TRUE(within(15s, [&] { return processes_of(a_.dir()).empty(); }));
  const auto there = processes_of(b_.dir());
  ASSERT_THAT(there, SizeIs(1));
  EXPECT_TRUE(within(5s, [&] { return listening_ports(there).empty(); })) << "it still listens";
  EXPECT_TRUE(is_all_free(a_, "cpu:0"));
  EXPECT_EQ(reservation_of(id), "completed");
  EXPECT_EQ(shared_memory(), memory_before_);
  expect_known_files_only();
  EXPECT_EQ(b_.command({"stop", "job"}).exit_code, 0);
  EXPECT_TRUE(is_all_free(b_, "cpu:0"));
}

TEST_F(Leftovers, OfAnAbortedMigrationIsTheTrainerOnTheSourceAndNothingElse) {
  start_job();
  for (const auto* state : {"standby_ready", "converged", "verifying"}) {
    const auto id = migrate_and_hold(state);
    EXPECT_EQ(a_.command({"cancel", id}).exit_code, 0);
    ASSERT_TRUE(ends(id, "aborted")) << a_.log();
    EXPECT_TRUE(within(5s, [&] { return processes_of(b_.dir()).empty(); }));
    EXPECT_TRUE(is_all_free(b_, "cpu:0"));
    EXPECT_EQ(reservation_of(id), "failed");
    EXPECT_TRUE(a_.steps_again_within("job", 5s));
    const auto here = processes_of(a_.dir());
    ASSERT_THAT(here, SizeIs(1));
    EXPECT_TRUE(within(5s, [&] { return listening_ports(here).empty(); })) << "it still listens";
    EXPECT_TRUE(within(2s, [&] { return shared_memory() == memory_before_; }));
    expect_known_files_only();
  }
  b_.kill_agent(SIGTERM);
  EXPECT_THAT(Journal(b_.dir() / "journal.db").all(Journal::Kind::job), IsEmpty());
  b_.start_agent();
}

/// A launcher between agent and trainer: its death must not leave the trainer behind.
TEST_F(Leftovers, OfAStandbysLauncherThatDiesIsNotItsTrainer) {
  std::vector<std::string> launched{"sh", "-c", "\"$0\" \"$@\"; exit $?"};
  launched.insert(launched.end(), trainer_.begin(), trainer_.end());
  start_job(launched);
  const auto launcher_of_the_standby = [&] {
    const auto jobs = b_.ask({"jobs"});
    return static_cast<int>(jobs.at("jobs").as_array().at(0).at("pid").as_int64());
  };
  auto id = migrate_and_hold("converged");
  ASSERT_THAT(processes_of(b_.dir()), SizeIs(2));
  ::kill(launcher_of_the_standby(), SIGKILL);
  ASSERT_TRUE(ends(id, "aborted")) << a_.log();
  EXPECT_TRUE(within(5s, [&] { return processes_of(b_.dir()).empty(); })) << b_.log();

  id = migrate_and_hold("converged");
  ASSERT_THAT(processes_of(b_.dir()), SizeIs(2));
  b_.kill_agent(SIGKILL);
  ASSERT_TRUE(ends(id, "aborted")) << a_.log();
  b_.start_agent();
  EXPECT_TRUE(within(5s, [&] { return processes_of(b_.dir()).empty(); })) << b_.log();
  EXPECT_TRUE(a_.steps_again_within("job", 5s));
}

TEST_F(Leftovers, OfAJobThatEndsIsNothingThatItStarted) {
  a_.run_job("job", {"sh", "-c", "sleep 1000 & exit 0"});
  ASSERT_TRUE(a_.ended_within("job", 5s));
  EXPECT_TRUE(within(5s, [&] { return processes_of(a_.dir()).empty(); }));
}

/// What a program printed last goes into errors, logs and answers, whatever it was.
TEST_F(Leftovers, OfAStandbyThatDiesInATangleOfBytesIsAClearError) {
  const TempDir dir;
  Host c(dir.path() / "c", {.name = "c", .more = {"--log-format", "json"}});
  std::vector<std::string> program{
      "sh", "-c",
      "if [ \"$CARDSWAP_ROLE\" = standby ]; then printf "
      "'no \"file\"\\n{\\\\}\\t\\342\\226\\210\\377\\342\\226'; exit 7; fi; "
      "exec \"$0\" \"$@\""};
  program.insert(program.end(), trainer_.begin(), trainer_.end());
  start_job(program);
  const auto outcome = a_.command({"-o", "json", "migrate", "job", "--to", c.at("cpu:0")});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const auto migration = boost::json::parse(outcome.out).as_object();
  const auto& error = migration.at("error").as_object();
  EXPECT_EQ(text(error, "code"), "target_lost");
  EXPECT_THAT(text(error, "failure"), HasSubstr("no \"file\"|{\\}\\t\xe2\x96\x88???"));
  std::istringstream lines(c.log());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto entry = boost::json::parse(line).as_object();
    EXPECT_FALSE(text(entry, "message").empty());
  }
  EXPECT_GE(count, 4U);
  c.kill_agent(SIGTERM);
  c.start_agent();
  EXPECT_THAT(c.ask({"version"}).at("warnings").as_array(), IsEmpty()) << "the journal took it";
}

TEST_F(Leftovers, ShowsWhatADeviceIs) {
  for (const auto* host : {&a_, &b_}) {
    const auto answer = host->ask({"devices"});
    const auto device = answer.at("devices").as_array().at(0).as_object();
    EXPECT_FALSE(text(device, "model").empty());
    EXPECT_THAT(text(device, "uuid"), StartsWith("CPU-"));
    EXPECT_GT(number(device, "total_bytes"), 1 << 20);
    EXPECT_THAT(host->command({"-o", "wide", "devices"}).out, HasSubstr(text(device, "uuid")));
  }
}

TEST_F(Leftovers, TellsNobodyTheTokensOrTheEnvironment) {
  std::vector<std::string> arguments{"run", "--name", "job", "--env", "API_KEY=hunter2", "--"};
  arguments.insert(arguments.end(), trainer_.begin(), trainer_.end());
  (void)a_.ask(arguments);
  ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  const auto id = migrate_and_hold("converged");
  const auto here = processes_of(a_.dir());
  const auto there = processes_of(b_.dir());
  ASSERT_THAT(here, SizeIs(1));
  ASSERT_THAT(there, SizeIs(1));
  const std::vector<std::string> secrets{
      variable_of(here[0], "CARDSWAP_TOKEN"), variable_of(there[0], "CARDSWAP_TOKEN"),
      text(ask_over_tcp(b_, {.target = "/v1/peer/reservations/" + id}).body, "data_token"),
      "hunter2"};
  for (const auto& secret : secrets) ASSERT_GE(secret.size(), 7U);
  EXPECT_EQ(variable_of(there[0], "API_KEY"), "hunter2") << "the standby needs it";

  const auto told = [&] {
    std::string all = all_command_lines();
    for (const auto* host : {&a_, &b_}) {
      for (const auto& file : files_below(host->dir())) {
        if (file.ends_with("log") || file.find("log-m-") != std::string::npos ||
            file == "agent.json") {
          all += read_file(host->dir() / file);
        }
      }
      for (const auto& verb : {"jobs", "status", "devices", "version"}) {
        all += host->command({"-o", "json", verb}).out;
        all += host->command({"-o", "wide", verb}).out;
      }
      for (const auto* path : {"/v1/jobs/job", "/v1/jobs", "/v1/migrations", "/v1/jobs/job/logs"}) {
        all += boost::json::serialize(ask_over_tcp(*host, {.target = path}).body);
      }
    }
    return all;
  };
  for (const auto& secret : secrets) EXPECT_THAT(told(), Not(HasSubstr(secret)));
  EXPECT_EQ(
      ask_over_unix(a_, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
      200U);
  ASSERT_TRUE(ends(id, "completed"));
  for (const auto& secret : secrets) EXPECT_THAT(told(), Not(HasSubstr(secret)));

  // The journal needs them; nobody but its owner may read it.
  for (const auto* host : {&a_, &b_}) {
    for (const auto* file : {"journal.db", "journal.db-wal", "journal.db-shm", "cardswapd.sock"}) {
      using std::filesystem::perms;
      const auto rights = std::filesystem::status(host->dir() / file).permissions();
      EXPECT_EQ(rights & (perms::group_all | perms::others_all), perms::none) << file;
    }
  }
}

}  // namespace
}  // namespace cardswap::test
