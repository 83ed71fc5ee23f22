/// Method: `cardswap migrate` attached to a migration that is held, its agent named by address, by
/// host name and by socket, answering and not; then a signal, or the agent's end. The command ends,
/// says what becomes of the migration, and the job trains on.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/support/leftovers.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Attached : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  void TearDown() override {
    EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log();
    EXPECT_TRUE(within(10s, [&] { return b_.leftovers().empty(); }));
  }
  [[nodiscard]] std::vector<std::string> agent_called(const std::string& name) const {
    return {CARDSWAP, "--agent", name + ":" + std::to_string(a_.port())};
  }
  [[nodiscard]] std::vector<std::string> agent_at_its_socket() const {
    return {CARDSWAP, "--agent", (a_.dir() / "cardswapd.sock").string()};
  }
  [[nodiscard]] Child migrate(std::vector<std::string> argv,
                              const std::vector<std::string>& more = {}) const {
    for (const auto& word : {"migrate", "job", "--to"}) argv.emplace_back(word);
    argv.push_back(b_.at("cpu:0"));
    argv.insert(argv.end(), more.begin(), more.end());
    return {argv, printed_file().string()};
  }
  [[nodiscard]] Child migrate_held(const std::vector<std::string>& argv) const {
    auto child = migrate(argv, {"--hold-at", "syncing"});
    EXPECT_TRUE(within(20s, [&] { return text(latest(), "state") == "syncing"; })) << a_.log();
    return child;
  }
  [[nodiscard]] boost::json::object latest() const {
    const auto answer = a_.ask({"status"});
    const auto& list = answer.at("migrations").as_array();
    return list.empty() ? boost::json::object() : list.front().as_object();
  }
  /// Its signals come by a descriptor: they end it by themselves no longer.
  static bool holds_back_sigterm(const Child& command) {
    const auto status = read_file("/proc/" + std::to_string(command.pid()) + "/status");
    const auto at = status.find("SigBlk:");
    if (at == std::string::npos) return false;
    const auto blocked = std::stoull(status.substr(at + 7), nullptr, 16);
    return ((blocked >> (SIGTERM - 1)) & 1U) != 0;
  }
  void signal_agent(int signal) const {
    const auto file = boost::json::parse(read_file((a_.dir() / "agent.json").string()));
    ::kill(static_cast<int>(file.at("pid").as_int64()), signal);
  }
  [[nodiscard]] std::filesystem::path printed_file() const { return dir_.path() / "printed"; }
  [[nodiscard]] std::string printed() const { return read_file(printed_file().string()); }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "gpu-a"}};
  Host b_{dir_.path() / "b", {.name = "gpu-b"}};
};

TEST_F(Attached, BySignalsItCancelsWhicheverWayItsAgentIsNamed) {
  for (const auto& agent :
       {agent_called("127.0.0.1"), agent_called("localhost"), agent_at_its_socket()}) {
    for (const int signal : {SIGINT, SIGTERM}) {
      SCOPED_TRACE(agent.back() + ", signal " + std::to_string(signal));
      auto command = migrate_held(agent);
      command.kill(signal);
      ASSERT_TRUE(within(10s, [&] { return command.ended(); }));
      EXPECT_EQ(command.wait(), 4) << printed();
      EXPECT_EQ(text(latest(), "result"), "cancelled");
      EXPECT_TRUE(within(10s, [&] { return b_.leftovers().empty(); }));
    }
  }
}

TEST_F(Attached, EndsBySigtermWhileItsAgentDoesNotAnswer) {
  auto command = migrate_held(agent_called("localhost"));
  signal_agent(SIGSTOP);
  command.kill(SIGTERM);
  EXPECT_TRUE(within(4s, [&] { return command.ended(); }));
  signal_agent(SIGCONT);
  EXPECT_THAT(printed(), HasSubstr("cardswap cancel m-"));
  // The word that it was to be given up may have got there, to be read now.
  (void)a_.command({"cancel", text(latest(), "id")});
  EXPECT_TRUE(within(15s, [&] { return text(latest(), "result") == "cancelled"; }));
}

TEST_F(Attached, EndsBySigtermBeforeItsAgentHasAnsweredAtAll) {
  signal_agent(SIGSTOP);
  // The agent reads it when it goes on: a dry run, so that nothing moves then.
  auto command = migrate(agent_called("localhost"), {"--dry-run"});
  EXPECT_TRUE(within(5s, [&] { return holds_back_sigterm(command); }));
  command.kill(SIGTERM);
  EXPECT_TRUE(within(4s, [&] { return command.ended(); }));
  signal_agent(SIGCONT);
  EXPECT_THAT(printed(), HasSubstr("interrupted before the agent at"));
}

TEST_F(Attached, IsToldWhatAnAgentsRestartMeansAndNobodyIsSaidToHaveCancelled) {
  auto command = migrate_held(agent_at_its_socket());
  a_.kill_agent(SIGTERM);
  ASSERT_TRUE(within(10s, [&] { return command.ended(); }));
  EXPECT_EQ(command.wait(), 1);
  EXPECT_THAT(printed(), HasSubstr("gives the migration up unless that was committed"));
  a_.start_agent();
  ASSERT_TRUE(within(15s, [&] { return text(latest(), "state") == "aborted"; }));
  EXPECT_EQ(text(latest(), "result"), "failed");
  EXPECT_EQ(text(latest().at("error").as_object(), "code"), "source_lost");
  EXPECT_THAT(text(latest().at("error").as_object(), "failure"), HasSubstr("agent was restarted"));
}

TEST_F(Attached, SaysOfAJobThatEndsMeanwhileThatItEnded) {
  auto command = migrate_held(agent_at_its_socket());
  EXPECT_EQ(a_.command({"stop", "job"}).exit_code, 0);
  ASSERT_TRUE(within(20s, [&] { return command.ended(); }));
  EXPECT_THAT(printed(), HasSubstr("it ended at gpu-a/cpu:0"));
  EXPECT_THAT(printed(), ::testing::Not(HasSubstr("goes on")));
  a_.run_job("job", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
  ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
}

TEST_F(Attached, ACancelOfWhatIsOverSaysSo) {
  const auto moved = a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none"});
  const auto outcome = a_.command({"cancel", text(moved, "id")});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("is over"));
  const auto back = b_.ask({"migrate", "job", "--to", a_.at("cpu:0"), "--max-downtime", "none"});
  EXPECT_EQ(text(back, "state"), "completed");
  auto command = migrate_held(agent_at_its_socket());
  const auto id = text(latest(), "id");
  command.kill(SIGTERM);
  ASSERT_TRUE(within(10s, [&] { return command.ended(); }));
  const auto again = a_.command({"cancel", id});
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("is over"));
}

TEST_F(Attached, WaitsAMomentForARuntimeThatHasToFindItsAgentAgain) {
  const auto job = static_cast<int>(a_.job("job").at("pid").as_int64());
  ::kill(job, SIGSTOP);
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  const auto refused = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("not attached again yet"));
  auto command = migrate(agent_at_its_socket());
  ::kill(job, SIGCONT);
  ASSERT_TRUE(within(20s, [&] { return command.ended(); }));
  EXPECT_EQ(command.wait(), 0) << printed();
  const auto back = b_.ask({"migrate", "job", "--to", a_.at("cpu:0"), "--max-downtime", "none"});
  EXPECT_EQ(text(back, "state"), "completed");
}

}  // namespace
}  // namespace cardswap::test
