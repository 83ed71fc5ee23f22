/// Method: the source's agent is held right after `committed` reached its journal and before the
/// grant is sent; then the other side is damaged. Where the job may go on is a matter of the rules
/// that tests/unit/handover checks; here it is real processes that step, or do not.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/support/http.h"
#include "tests/support/leftovers.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InDoubt : public ::testing::Test {
 protected:
  void SetUp() override {
    auto argv = program_;
    argv.insert(argv.end(), {"--loss-log", log_.string()});
    a_.run_job("job", argv);
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  std::string migrate_and_hold() {
    const auto id = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none",
                                 "--hold-at", "committed", "--detach"}),
                         "id");
    EXPECT_TRUE(within(20s, [&] {
      return a_.ask({"status", id}).at("held").as_bool();
    })) << a_.log();
    return id;
  }
  void proceed(const std::string& id) {
    EXPECT_EQ(
        ask_over_unix(a_, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
        200U);
  }
  [[nodiscard]] bool comes_to(const std::string& id, const std::string& state) const {
    return within(20s, [&] { return text(a_.ask({"status", id}), "state") == state; });
  }
  static void expect_end_of(const Host& host, const std::filesystem::path& log,
                            const std::vector<std::string>& program) {
    ASSERT_TRUE(host.ended_within("job", 40s)) << host.log();
    EXPECT_EQ(losses(log), undisturbed(program));
  }

  const std::vector<std::string> program_{
      trainer("plain_memory"), "--steps", "400", "--bytes", "4194304", "--step-ms", "8"};
  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  const std::filesystem::path log_ = dir_.path() / "losses";
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(InDoubt, EndsByItselfWhenTheTargetsAgentComesBack) {
  const auto id = migrate_and_hold();
  const auto trained = read_file(log_.string());
  b_.kill_agent(SIGKILL);
  proceed(id);
  ASSERT_TRUE(comes_to(id, "in_doubt")) << a_.log();
  EXPECT_EQ(read_file(log_.string()), trained) << "it stepped while nobody knew who owns it";
  EXPECT_EQ(a_.command({"cancel", id}).exit_code, 3);
  b_.start_agent();
  ASSERT_TRUE(comes_to(id, "aborted")) << a_.log();
  EXPECT_EQ(number(a_.job("job"), "epoch"), 3);
  expect_end_of(a_, log_, program_);
}

TEST_F(InDoubt, EndsTheCommandWithSixAndTheOperatorTakesTheJobBack) {
  Child command({CARDSWAP, "--agent", (a_.dir() / "cardswapd.sock").string(), "migrate", "job",
                 "--to", b_.at("cpu:0"), "--max-downtime", "none", "--hold-at", "committed"},
                (dir_.path() / "printed").string());
  std::string id;
  ASSERT_TRUE(within(20s, [&] {
    const auto answer = a_.ask({"status"});
    const auto& list = answer.at("migrations").as_array();
    if (list.empty() || !list[0].at("held").as_bool()) return false;
    id = text(list[0].as_object(), "id");
    return true;
  })) << a_.log();
  b_.kill_agent(SIGKILL);
  proceed(id);
  ASSERT_TRUE(within(20s, [&] { return command.ended(); }));
  EXPECT_EQ(command.wait(), 6);
  EXPECT_THAT(read_file((dir_.path() / "printed").string()),
              HasSubstr("cardswap resolve " + id + " --force target"));
  EXPECT_EQ(a_.command({"resolve", id}).exit_code, 2);
  EXPECT_EQ(a_.command({"resolve", id, "--force", "nobody"}).exit_code, 2);
  EXPECT_EQ(a_.command({"resolve", "m-none", "--force", "source", "--yes"}).exit_code, 3);
  EXPECT_EQ(a_.command({"resolve", id, "--force", "source", "--yes"}).exit_code, 0);
  EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log();
  ASSERT_TRUE(comes_to(id, "aborted"));
  EXPECT_EQ(text(a_.ask({"status", id}), "forced"), "source");
  EXPECT_THAT(a_.log(), HasSubstr("forced to the source by an operator"));
  EXPECT_EQ(a_.command({"resolve", id, "--force", "source", "--yes"}).exit_code, 3) << "it is over";
  b_.start_agent();
  EXPECT_THAT(processes_of(b_.dir()), IsEmpty());
  expect_end_of(a_, log_, program_);
}

/// The target's agent comes back without its records: it would say the same if the job stepped
/// there.
TEST_F(InDoubt, IsDecidedForNoSideByATargetThatLostItsDisk) {
  const auto id = migrate_and_hold();
  const auto trained = read_file(log_.string());
  b_.kill_agent(SIGKILL);
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(b_.dir() / (std::string("journal.db") + suffix));
  }
  b_.start_agent();
  proceed(id);
  ASSERT_TRUE(comes_to(id, "in_doubt")) << a_.log();
  for (const auto* side : {"source", "target"}) {
    const auto refused = a_.command({"resolve", id, "--force", side, "--yes"});
    EXPECT_EQ(refused.exit_code, 3) << side;
    EXPECT_THAT(refused.err, HasSubstr("knows nothing of migration " + id)) << side;
  }
  EXPECT_EQ(text(a_.ask({"status", id}), "state"), "in_doubt");
  EXPECT_EQ(read_file(log_.string()), trained);
  EXPECT_EQ(a_.command({"resolve", id, "--force", "source", "--yes", "--overrule"}).exit_code, 0);
  EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log();
  expect_end_of(a_, log_, program_);
}

TEST_F(InDoubt, GoesToTheTargetByTheOperatorsWordWhereTheSourceIsNoMore) {
  const auto id = migrate_and_hold();
  const auto trainers = processes_of(a_.dir());
  a_.kill_agent(SIGKILL);
  for (const int pid : trainers) ::kill(pid, SIGKILL);
  EXPECT_EQ(b_.command({"resolve", id, "--force", "target", "--yes"}).exit_code, 0) << b_.log();
  EXPECT_TRUE(b_.steps_again_within("job", 5s)) << b_.log();
  a_.start_agent();
  EXPECT_TRUE(comes_to(id, "completed")) << a_.log();
  EXPECT_EQ(b_.command({"resolve", id, "--force", "source", "--yes"}).exit_code, 3)
      << "it steps there";
  expect_end_of(b_, log_, program_);
}

TEST(InDoubtWithinOneHost, IsResolvedAtTheSource) {
  const TempDir dir;
  const NothingOutlives guard(dir.path());
  const auto log = dir.path() / "losses";
  const std::vector<std::string> program{
      trainer("plain_memory"), "--steps", "200", "--bytes", "4194304", "--step-ms", "8"};
  Host host(dir.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}});
  auto argv = program;
  argv.insert(argv.end(), {"--loss-log", log.string()});
  host.run_job("job", argv);
  ASSERT_TRUE(within(10s, [&] { return host.step_of("job") >= 3; }));
  const auto id = text(host.ask({"migrate", "job", "--to", host.at("cpu:1"), "--max-downtime",
                                 "none", "--hold-at", "committed", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] {
    return host.ask({"status", id}).at("held").as_bool();
  })) << host.log();
  EXPECT_EQ(host.command({"resolve", id, "--force", "source", "--yes"}).exit_code, 0) << host.log();
  EXPECT_EQ(text(host.ask({"status", id}), "forced"), "source") << "the target's side was asked";
  EXPECT_EQ(
      ask_over_unix(host, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
      200U);
  EXPECT_TRUE(within(20s, [&] {
    return text(host.ask({"status", id}), "state") == "aborted";
  })) << host.log();
  ASSERT_TRUE(host.ended_within("job", 40s)) << host.log();
  EXPECT_EQ(losses(log), undisturbed(program));
}

/// What is left where the record that says what was decided can no longer be read.
class InDoubtWithoutItsRecord : public InDoubt {
 protected:
  void SetUp() override {
    auto argv = program_;
    argv.insert(argv.end(), {"--loss-log", log_.string()});
    std::vector<std::string> words{"run", "--name", "job", "--restart", "on-failure", "--"};
    words.insert(words.end(), argv.begin(), argv.end());
    (void)a_.ask(words);
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; }));
  }
  /// The source's agent starts anew; its trainer stands as it stood.
  void damage_the_record(const std::string& id) {
    a_.kill_agent(SIGKILL);
    const auto spoilt = run({"python3", "-c",
                             "import sqlite3, sys\n"
                             "db = sqlite3.connect(sys.argv[1])\n"
                             "db.execute(\"UPDATE records SET document = replace(document, "
                             "'\\\"state\\\":\\\"committed\\\"', '\\\"state\\\":\\\"comitted\\\"') "
                             "WHERE kind = 'migration' AND id = ?\", (sys.argv[2],))\n"
                             "db.commit()\n",
                             (a_.dir() / "journal.db").string(), id});
    ASSERT_EQ(spoilt.exit_code, 0) << spoilt.err;
    a_.start_agent();
    ASSERT_THAT(a_.log(), HasSubstr("the journal's record of migration " + id + " is damaged"));
  }
};

TEST_F(InDoubtWithoutItsRecord, IsNeitherStoppedNorMovedWithoutAWord) {
  const auto id = migrate_and_hold();
  const auto trained = read_file(log_.string());
  b_.kill_agent(SIGKILL);
  damage_the_record(id);
  ASSERT_TRUE(within(30s, [&] { return a_.job("job").at("attached").as_bool(); })) << a_.log();
  EXPECT_EQ(text(a_.job("job"), "state"), "in_doubt");
  for (const char* verb : {"stop", "migrate"}) {
    std::vector<std::string> words{verb, "job"};
    if (words[0] == "migrate") words.insert(words.end(), {"--to", b_.at("cpu:0")});
    const auto refused = a_.command(words);
    EXPECT_EQ(refused.exit_code, 3) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("is frozen for migration " + id));
    EXPECT_THAT(refused.err, HasSubstr("cardswap resolve " + id + " --force target"));
  }
  EXPECT_EQ(a_.command({"stop", "--force", "job"}).exit_code, 0);
  EXPECT_EQ(read_file(log_.string()), trained) << "it stepped while nobody knew who owns it";
}

TEST_F(InDoubtWithoutItsRecord, IsNotStartedAgain) {
  const auto id = migrate_and_hold();
  const auto trained = read_file(log_.string());
  b_.kill_agent(SIGKILL);
  damage_the_record(id);
  const auto pid = static_cast<int>(number(a_.job("job"), "pid"));
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(a_.ended_within("job", 30s)) << a_.log();
  EXPECT_EQ(text(a_.job("job"), "state"), "failed");
  EXPECT_THAT(a_.log(),
              HasSubstr("job job is not started again: it was frozen for migration " + id));
  EXPECT_EQ(read_file(log_.string()), trained) << "it began anew beside what may run elsewhere";
}

TEST_F(InDoubt, IsNoMatterForASourceThatRestartsBeforeItsGrantWasSent) {
  const auto id = migrate_and_hold();
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  EXPECT_TRUE(comes_to(id, "completed")) << a_.log();
  EXPECT_TRUE(within(15s, [&] { return processes_of(a_.dir()).empty(); })) << a_.log();
  expect_end_of(b_, log_, program_);
}

}  // namespace
}  // namespace cardswap::test
