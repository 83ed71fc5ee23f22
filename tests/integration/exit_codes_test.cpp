/// Method: the real command against real agents, every way to end that docs/cli.md gives a code
/// for and a script can bring about. Each must say what failed, on which job, host or device, and
/// what to do about it. (6, in doubt, is in_doubt_test.cpp's.)

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <regex>
#include <set>

#include "tests/support/leftovers.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Ending {
  std::vector<std::string> arguments;
  int exit_code;
  std::vector<std::string> said;  ///< on stderr: what, on what, and the hint
};

class ExitCode : public ::testing::Test {
 protected:
  void SetUp() override {
    a_.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }
  void TearDown() override { EXPECT_TRUE(a_.steps_again_within("job", 5s)) << a_.log(); }

  void expect(const Ending& ending) {
    const auto outcome = a_.command(ending.arguments);
    SCOPED_TRACE("cardswap " + ::testing::PrintToString(ending.arguments));
    EXPECT_EQ(outcome.exit_code, ending.exit_code) << outcome.out << outcome.err;
    for (const auto& part : ending.said) EXPECT_THAT(outcome.err, HasSubstr(part));
    if (ending.exit_code != 0) {
      EXPECT_THAT(outcome.err, HasSubstr("\nhint: "));
    }
  }
  /// `cardswap migrate job --to b` in the background, held in syncing.
  Child migrate_held() {
    Child child({CARDSWAP, "--agent", (a_.dir() / "cardswapd.sock").string(), "migrate", "job",
                 "--to", there_, "--hold-at", "syncing"},
                printed().string());
    EXPECT_TRUE(within(20s, [&] { return text(latest(), "state") == "syncing"; })) << a_.log();
    return child;
  }
  int end_of(Child& command) {
    EXPECT_TRUE(within(20s, [&] { return command.ended(); }));
    return command.wait();
  }
  [[nodiscard]] boost::json::object latest() const {
    const auto answer = a_.ask({"status"});
    const auto& list = answer.at("migrations").as_array();
    return list.empty() ? boost::json::object() : list.front().as_object();
  }
  [[nodiscard]] std::filesystem::path printed() const { return dir_.path() / "printed"; }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "gpu-a"}};
  Host b_{dir_.path() / "b", {.name = "gpu-b", .devices = {"cpu:0", "cpu:1,memory=1MiB"}}};
  const std::string there_ = b_.at("cpu:0");
};

TEST_F(ExitCode, IsTwoForWrongUsageAndNamesTheWord) {
  const std::vector<std::string> migrate{"migrate", "job", "--to", there_};
  const auto with = [&](std::vector<std::string> more) {
    auto arguments = migrate;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  for (const auto& ending : std::vector<Ending>{
           {{}, 2, {"no verb", "--help"}},
           {{"frobnicate"}, 2, {"'frobnicate'", "--help"}},
           {{"--frob"}, 2, {"'--frob'", "--help"}},
           {{"rm", "job"}, 2, {"'rm'", "cardswap forget --help"}},
           {{"migarte", "job"}, 2, {"'migarte'", "cardswap migrate --help"}},
           {{"jobs", "rm", "job"}, 2, {"job", "cardswap forget --help"}},
           {{"jobs", "stop", "job", "--force"}, 2, {"job", "cardswap stop --help"}},
           {{"jobs", "job", "job"}, 2, {"job", "cardswap jobs --help"}},
           {{"migrations", "cancel", "m-1"}, 2, {"m-1", "cardswap cancel --help"}},
           {{"-o", "xml", "jobs"}, 2, {"xml", "json"}},
           {{"migrate"}, 2, {"job", "migrate --help"}},
           {{"migrate", "job"}, 2, {"--to", "migrate --help"}},
           {with({"--frob"}), 2, {"--frob"}},
           {{"migrate", "job", "--to", "nowhere"}, 2, {"'nowhere'", "gpu-b:7070/cpu:0"}},
           {{"migrate", "job", "--to", "b:0/cpu:0"}, 2, {"'b:0/cpu:0'"}},
           {with({"--strategy", "teleport"}), 2, {"'teleport'", "stop-copy"}},
           {with({"--max-stall", "3 parsecs"}), 2, {"--max-stall", "3 parsecs", "300ms"}},
           {with({"--max-downtime", "3 parsecs"}), 2, {"--max-stall", "3 parsecs", "300ms"}},
           {with({"--max-rounds", "few"}), 2, {"--max-rounds", "'few'", "none"}},
           {with({"--timeout", "soon"}), 2, {"--timeout", "'soon'", "5m"}},
           {with({"--bandwidth", "fast"}), 2, {"--bandwidth", "'fast'", "200MiB/s"}},
           {with({"--chunk", "lots"}), 2, {"--chunk", "'lots'", "64MiB"}},
           {with({"--chunk", "3MiB"}), 2, {"3145728", "power of two"}},
           {{"run", "--name", "x"}, 2, {"program", "run --help"}},
           {{"run", "--name", "Not A Name", "--", "true"}, 2, {"'Not A Name'", "a-z"}},
           {{"run", "--name", "x", "--env", "FOO", "--", "true"}, 2, {"--env", "'FOO'"}},
           {{"run", "--name", "x", "--restart", "often", "--", "true"}, 2, {"'often'", "never"}},
           {{"stop", "job", "--grace", "soon"}, 2, {"--grace", "'soon'", "10s"}},
           {{"--agent", "127.0.0.1:99999", "jobs"}, 2, {"127.0.0.1:99999", "gpu-b:7070"}},
       }) {
    expect(ending);
  }
}

TEST_F(ExitCode, IsThreeForARefusalAndNothingWasTouched) {
  a_.run_job("bare", {"sleep", "1000"});
  a_.run_job("over", {"true"});
  b_.run_job("job", {"sleep", "1000"}, "cpu:1");
  ASSERT_TRUE(a_.ended_within("over", 5s));
  const auto nobody = (dir_.path() / "none.sock").string();
  for (const auto& ending : std::vector<Ending>{
           {{"migrate", "ghost", "--to", there_}, 3, {"'ghost'", "gpu-a", "cardswap jobs"}},
           {{"migrate", "bare", "--to", there_}, 3, {"job bare", "no Cardswap runtime", "Session"}},
           {{"migrate", "over", "--to", there_}, 3, {"job over", "ended", "running"}},
           {{"migrate", "job", "--to", "127.0.0.1:1/cpu:0"},
            3,
            {"job job", "127.0.0.1:1/cpu:0", "refused", "cardswapd"}},
           {{"migrate", "job", "--to", "no-such-host.invalid/cpu:0"},
            3,
            {"no-such-host.invalid", "job job"}},
           {{"migrate", "job", "--to", b_.at("cpu:9")},
            3,
            {"job job", "no device cpu:9 on gpu-b", "cpu:0, cpu:1", "cardswap devices"}},
           {{"migrate", "job", "--to", b_.at("cpu:1")},
            3,
            {"1.0 MiB free on cpu:1", "job job", "another device"}},
           {{"migrate", "job", "--to", there_}, 3, {"another job named job runs on gpu-b"}},
           {{"run", "--name", "job", "--", "true"}, 3, {"job job", "already", "cardswap stop job"}},
           {{"run", "--name", "x", "--device", "cpu:7", "--", "true"},
            3,
            {"'cpu:7'", "gpu-a", "cpu:0"}},
           {{"run", "--name", "x", "--", "/no/such"}, 3, {"/no/such", "No such file", "--cwd"}},
           {{"run", "--name", "x", "--cwd", "/no/such", "--", "true"}, 3, {"true", "--cwd"}},
           {{"forget", "job"}, 3, {"job job is running", "stop it first"}},
           {{"forget", "ghost"}, 3, {"'ghost'", "gpu-a"}},
           {{"stop", "ghost"}, 3, {"'ghost'", "gpu-a"}},
           {{"logs", "ghost"}, 3, {"'ghost'", "gpu-a"}},
           {{"status", "m-none"}, 3, {"'m-none'", "gpu-a", "cardswap status"}},
           {{"cancel", "m-none"}, 3, {"'m-none'", "gpu-a"}},
           {{"--agent", nobody, "jobs"}, 3, {nobody, "cardswapd"}},
           {{"devices", "127.0.0.1:1"}, 3, {"127.0.0.1:1", "cardswapd"}},
       }) {
    expect(ending);
  }
  EXPECT_EQ(a_.command({"migrate", "job", "--to", b_.at("cpu:9"), "--dry-run"}).exit_code, 3);
  EXPECT_EQ(number(a_.job("job"), "epoch"), 1);
  EXPECT_THAT(processes_of(b_.dir()), ::testing::SizeIs(1)) << "a standby was left";
}

TEST_F(ExitCode, IsThreeForAJobThatIsOnItsWayOrWent) {
  const auto id =
      text(a_.ask({"migrate", "job", "--to", there_, "--hold-at", "syncing", "--detach"}), "id");
  expect({{"migrate", "job", "--to", there_}, 3, {"job job", id, "cardswap cancel " + id}});
  expect({{"cancel", id}, 0, {}});
  ASSERT_TRUE(within(10s, [&] { return text(latest(), "state") == "aborted"; }));
  const auto moved = text(a_.ask({"migrate", "job", "--to", there_}), "id");
  expect({{"cancel", moved}, 3, {moved, "is over", there_}});
  expect({{"migrate", "job", "--to", there_}, 3, {"job job moved to " + there_, "agent there"}});
  ASSERT_EQ(b_.command({"migrate", "job", "--to", a_.at("cpu:0")}).exit_code, 0);
}

TEST_F(ExitCode, IsZeroForAMigrationThatIsDone) {
  expect({{"migrate", "job", "--to", there_}, 0, {}});
  expect({{"status"}, 0, {}});
  expect({{"migrate", "--help"}, 0, {}});
  ASSERT_EQ(b_.command({"migrate", "job", "--to", a_.at("cpu:0")}).exit_code, 0);
}

TEST_F(ExitCode, IsOneForAStandbyThatDied) {
  auto command = migrate_held();
  for (const int pid : processes_of(b_.dir())) ::kill(pid, SIGKILL);
  EXPECT_EQ(end_of(command), 1);
  EXPECT_THAT(read_file(printed()), HasSubstr("job job to " + there_));
  EXPECT_THAT(read_file(printed()), HasSubstr("standby of job job on gpu-b"));
  EXPECT_THAT(read_file(printed()), HasSubstr("goes on at gpu-a/cpu:0"));
}

TEST_F(ExitCode, IsOneForATargetWhoseAgentDied) {
  auto command = migrate_held();
  b_.kill_agent(SIGKILL);
  EXPECT_EQ(end_of(command), 1);
  EXPECT_THAT(read_file(printed()), HasSubstr("agent of " + there_));
  EXPECT_THAT(read_file(printed()), HasSubstr("hint: "));
}

TEST_F(ExitCode, IsFourForAMigrationThatSomebodyCancelled) {
  auto command = migrate_held();
  ASSERT_EQ(a_.command({"cancel", text(latest(), "id")}).exit_code, 0);
  EXPECT_EQ(end_of(command), 4);
  EXPECT_THAT(read_file(printed()), HasSubstr(text(latest(), "id") + " was cancelled"));
}

TEST_F(ExitCode, IsFourForAnInterruptWithoutATerminal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    auto command = migrate_held();
    command.kill(signal);
    EXPECT_EQ(end_of(command), 4) << read_file(printed());
    EXPECT_THAT(read_file(printed()), HasSubstr("was cancelled"));
    EXPECT_EQ(text(latest(), "result"), "cancelled");
  }
}

TEST_F(ExitCode, IsFourForATimeOut) {
  expect({{"migrate", "job", "--to", there_, "--hold-at", "syncing", "--timeout", "1s"},
          4,
          {"job job to " + there_, "still syncing after 1.0 s", "--timeout"}});
  EXPECT_TRUE(within(10s, [&] { return is_all_free(b_, "cpu:0"); }));
}

TEST_F(ExitCode, IsFourForAJobThatDoesNotConverge) {
  expect({{"migrate", "job", "--to", there_, "--strategy", "rounds", "--bandwidth", "8MiB/s",
           "--max-stall", "50ms", "--timeout", "3s"},
          4,
          {"job job", "did not converge", "50 ms allowed", "--max-stall"}});
  expect(
      {{"migrate", "job", "--to", there_, "--bandwidth", "8MiB/s", "--max-stall", "50ms"},
       4,
       {"50 ms", "--max-stall"}});  // before the first round, or after some, as its steps are seen
  EXPECT_TRUE(within(10s, [&] { return is_all_free(b_, "cpu:0"); }));
}

TEST_F(ExitCode, OfAnAgentThatGoesAwayMeanwhileIsTheCommandsToTell) {
  auto command = migrate_held();
  const auto id = text(latest(), "id");
  a_.kill_agent(SIGKILL);
  EXPECT_NE(end_of(command), 0);
  EXPECT_THAT(read_file(printed()), HasSubstr("agent went away during migration " + id));
  EXPECT_THAT(read_file(printed()), HasSubstr("cardswap status " + id));
  a_.start_agent();
}

TEST_F(ExitCode, WithJsonComesWithAnErrorObject) {
  const auto outcome = a_.command({"-o", "json", "migrate", "ghost", "--to", there_});
  EXPECT_EQ(outcome.exit_code, 3);
  const auto error = boost::json::parse(outcome.err).at("error").as_object();
  EXPECT_EQ(text(error, "code"), "not_found");
  EXPECT_THAT(text(error, "failure"), HasSubstr("'ghost'"));
}

TEST(DataDir, MayBeGivenFromTheFolderWhereTheAgentStarts) {
  const TempDir dir;
  const auto path = dir.path().string();
  Child agent(
      {"sh", "-c",
       "cd " + path + " && exec " CARDSWAPD " --data-dir d --listen 127.0.0.1:0 --host-name h"},
      path + "/agent.log");
  ASSERT_TRUE(within(10s, [&] { return std::filesystem::exists(path + "/d/agent.json"); }));
  const auto command = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {CARDSWAP, "--agent", path + "/d/cardswapd.sock"});
    return run(arguments);
  };
  EXPECT_EQ(command({"run", "--name", "job", "--cwd", "/", "--", trainer("plain_memory"), "--steps",
                     "100000", "--step-ms", "5"})
                .exit_code,
            0);
  EXPECT_TRUE(within(5s, [&] {
    return command({"jobs"}).out.find("running") != std::string::npos;
  })) << command({"jobs"}).out;
  EXPECT_EQ(command({"stop", "job"}).exit_code, 0);
}

std::set<std::string> flags_in(const std::string& text) {
  static const std::regex flag("--[a-z][a-z-]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), flag), {}};
}

TEST(Completion, HasEveryVerbAndEveryOptionOfIt) {
  const auto script = run({CARDSWAP, "completion"}).out;
  const auto verbs = run({CARDSWAP, "--help"}).out;
  const auto listed = verbs.substr(verbs.find("Subcommands:"));
  static const std::regex verb("\n  ([a-z]+)[ ,]");
  std::size_t seen = 0;
  for (std::sregex_iterator found(listed.begin(), listed.end(), verb), end; found != end; ++found) {
    const auto name = (*found)[1].str();
    ++seen;
    const auto begin = script.find("\n    " + name + ") words=");
    ASSERT_NE(begin, std::string::npos) << name;
    const auto words = flags_in(script.substr(begin, script.find('\n', begin + 1) - begin));
    for (const auto& flag : flags_in(run({CARDSWAP, name, "--help"}).out)) {
      EXPECT_TRUE(words.contains(flag)) << name << " " << flag;
    }
  }
  EXPECT_GE(seen, 20U);
  for (const auto* word : {"--arrive", "--state", "--ended", "--if-reason", "--overrule"}) {
    EXPECT_THAT(script, HasSubstr(word));
  }
  EXPECT_EQ(run({"bash", "-c",
                 "set -e; source <(\"$0\" completion); COMP_WORDS=(cardswap mig); COMP_CWORD=1; "
                 "_cardswap; test \"${COMPREPLY[*]}\" = migrate",
                 CARDSWAP})
                .exit_code,
            0);
}

}  // namespace
}  // namespace cardswap::test
