/// Method: three agents, one of which is emptied by `cardswap drain` of jobs that train; one target
/// has room for little. Jobs fail, drains are interrupted, killed or late, hooks and a maintenance
/// script run. What counts is where jobs live after it, the cordon, the table and the exit code.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>

#include "tests/support/hosts.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class DrainedHost : public ::testing::Test {
 protected:
  static std::string address(const Host& host) {
    return "127.0.0.1:" + std::to_string(host.port());
  }
  void run_job(const std::string& name, const std::string& bytes = "2000000") {
    a_.run_job(name,
               {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5", "--bytes", bytes});
    ASSERT_TRUE(within(30s, [&] { return a_.step_of(name) >= 2; })) << a_.log();
  }
  std::vector<std::string> drain(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"drain", address(a_), "--to", address(b_) + "," + address(c_)};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Child in_background(std::vector<std::string> words) const {
    words.insert(words.begin(), CARDSWAP);
    return {words, log_.string()};
  }
  /// The drain's object, whatever it ended with.
  boost::json::object as_json(std::vector<std::string> words, int exit_code) const {
    words.insert(words.end(), {"-o", "json"});
    const auto outcome = b_.command(words);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.out << outcome.err;
    return boost::json::parse(outcome.out).as_object();
  }
  static std::string result_of(const boost::json::object& drained, const std::string& job) {
    for (const auto& row : drained.at("jobs").as_array()) {
      if (text(row.as_object(), "job") == job) return text(row.as_object(), "result");
    }
    return "not listed";
  }
  static std::size_t live_jobs(const Host& host) {
    std::size_t live = 0;
    const auto answer = host.ask({"jobs"});
    for (const auto& job : answer.at("jobs").as_array()) {
      const auto state = text(job.as_object(), "state");
      if (state == "running" || state == "starting") ++live;
    }
    return live;
  }
  static bool cordoned(const Host& host) {
    const auto answer = host.ask({"devices"});
    return answer.at("devices").as_array()[0].as_object().at("cordoned").as_bool();
  }
  std::string script(const std::string& name, const std::string& body) const {
    const auto path = (dir_.path() / name).string();
    std::ofstream(path) << "#!/bin/sh\n" << body;
    ::chmod(path.c_str(), 0755);
    return path;
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b", .devices = {"cpu:0,memory=5MiB"}}};
  Host c_{dir_.path() / "c",
          {.name = "c", .devices = {"cpu:0,memory=64MiB", "cpu:1,memory=64MiB"}}};
  std::filesystem::path log_ = dir_.path() / "drain.log";
};

TEST_F(DrainedHost, IsEmptiedOntoTwoHostsAndStaysCordoned) {
  for (const auto* name : {"j1", "j2", "j3", "j4"}) run_job(name);
  const auto outcome = b_.command(drain());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("JOB"), HasSubstr("a/cpu:0"), HasSubstr("moved"),
                                 HasSubstr("4 of 4 jobs are gone; a stays cordoned")));
  EXPECT_EQ(live_jobs(a_), 0U);
  EXPECT_TRUE(cordoned(a_));
  // Spread: nobody gets a second one while a device is empty; b has room for two.
  EXPECT_GE(live_jobs(b_), 1U);
  EXPECT_GE(live_jobs(c_), 2U);
  EXPECT_EQ(live_jobs(b_) + live_jobs(c_), 4U);
  // Again: there is nothing left to do.
  const auto again = as_json(drain(), 0);
  EXPECT_EQ(text(again, "result"), "all");
  EXPECT_EQ(number(again, "total"), 0);
}

TEST_F(DrainedHost, KeepsWhatFitsNowhereAndMovesTheOthers) {
  run_job("large", "100000000");
  run_job("small");
  a_.run_job("foreign", {"/bin/sleep", "600"});
  const auto drained = as_json(drain(), 1);
  EXPECT_EQ(text(drained, "result"), "some");
  EXPECT_EQ(result_of(drained, "small"), "moved");
  EXPECT_EQ(result_of(drained, "large"), "stays");
  EXPECT_EQ(result_of(drained, "foreign"), "stays");
  const auto text_of_it = boost::json::serialize(drained);
  EXPECT_THAT(text_of_it, HasSubstr("needed ("));
  EXPECT_THAT(text_of_it, HasSubstr("no Cardswap runtime is attached"));
  EXPECT_EQ(text(a_.job("large"), "state"), "running");
}

/// Method: the job's program is a script that starts the trainer only as a primary.
TEST_F(DrainedHost, GoesOnWhenOneJobFails) {
  run_job("good");
  const auto program = script("primary-only",
                              "[ \"$CARDSWAP_ROLE\" = primary ] || exit 7\n"
                              "exec \"$@\"\n");
  a_.run_job("bad", {program, trainer("plain_memory"), "--steps", "100000", "--step-ms", "5",
                     "--bytes", "3000000"});
  ASSERT_TRUE(within(30s, [&] { return a_.step_of("bad") >= 2; }));
  const auto outcome = b_.command(drain({"--parallel", "1"}));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("failed"), HasSubstr("1 of 2 jobs are gone"),
                                 HasSubstr("run the drain again")));
  EXPECT_EQ(text(a_.job("bad"), "state"), "running");
  EXPECT_EQ(text(a_.job("good"), "state"), "moved");
  EXPECT_TRUE(a_.steps_again_within("bad", 5s));
}

TEST_F(DrainedHost, CanBeInterruptedAndRunAgain) {
  for (const auto* name : {"j1", "j2", "j3"}) run_job(name);
  // Slow enough that the first is under way when the signal comes.
  auto first = in_background(drain({"--parallel", "1", "--bandwidth", "300KiB/s"}));
  ASSERT_TRUE(within(30s, [&] { return !a_.ask({"status"}).at("migrations").as_array().empty(); }));
  first.kill(SIGINT);
  EXPECT_EQ(first.wait(), 4) << read_file(log_.string());
  EXPECT_THAT(read_file(log_.string()),
              AllOf(HasSubstr("cancelled"), HasSubstr("not-started"), HasSubstr("stays cordoned")));
  EXPECT_EQ(live_jobs(a_), 3U);
  EXPECT_TRUE(cordoned(a_));
  EXPECT_EQ(b_.command(drain()).exit_code, 0);
  EXPECT_EQ(live_jobs(a_), 0U);
}

TEST_F(DrainedHost, TakesUpWhatAKilledDrainLeftUnderWay) {
  for (const auto* name : {"j1", "j2"}) run_job(name);
  auto first = in_background(drain({"--parallel", "1", "--bandwidth", "1MiB/s", "--strategy",
                                    "stop-copy", "--max-downtime", "none"}));
  ASSERT_TRUE(within(30s, [&] { return !a_.ask({"status"}).at("migrations").as_array().empty(); }));
  first.kill(SIGKILL);
  (void)first.wait();
  const auto drained = as_json(drain(), 0);
  EXPECT_EQ(number(drained, "moved"), 2);
  EXPECT_EQ(a_.ask({"status"}).at("migrations").as_array().size(), 2U) << "none was started twice";
  EXPECT_EQ(live_jobs(a_), 0U);
}

TEST_F(DrainedHost, GivesUpAtItsDeadline) {
  run_job("j1");
  const auto drained = as_json(drain({"--bandwidth", "100KiB/s", "--deadline", "2s"}), 4);
  EXPECT_EQ(text(drained, "stopped_by"), "deadline");
  EXPECT_EQ(result_of(drained, "j1"), "cancelled");
  EXPECT_EQ(text(a_.job("j1"), "state"), "running");
}

TEST_F(DrainedHost, IsOnlyLookedAtByADryRun) {
  run_job("j1");
  a_.run_job("foreign", {"/bin/sleep", "600"});
  const auto outcome = b_.command(drain({"--dry-run"}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("fits"), HasSubstr("no Cardswap runtime is attached"),
                                 HasSubstr("1 of 2 jobs would move; nothing was changed")));
  EXPECT_FALSE(cordoned(a_));
  EXPECT_TRUE(a_.ask({"status"}).at("migrations").as_array().empty());
}

TEST_F(DrainedHost, IsNotTouchedWhereTheDrainIsRefused) {
  run_job("j1");
  const auto snapshots = b_.command(drain({"--policy", "snapshot-only"}));
  EXPECT_EQ(snapshots.exit_code, 3);
  EXPECT_THAT(snapshots.err, HasSubstr("no store is known for j1"));
  EXPECT_EQ(b_.command({"drain", address(a_)}).exit_code, 3) << "it has no peers";
  EXPECT_EQ(b_.command({"drain", address(a_), "--to", address(a_)}).exit_code, 2);
  EXPECT_EQ(b_.command({"drain", address(a_), "--to", "127.0.0.1:1"}).exit_code, 3);
  EXPECT_EQ(b_.command(drain({"--hook", "/no/such"})).exit_code, 2);
  EXPECT_FALSE(cordoned(a_));
}

/// Method: what is drained answers JSON without the fields of an agent. Only a list of jobs that is
/// empty is an empty host.
TEST_F(DrainedHost, IsNotTakenForEmptyWhereItsAnswerIsNoListOfJobs) {
  for (const auto* jobs : {"{}", R"({"jobs": {}})", R"({"jobs": [7]})", R"({"jobs": null})"}) {
    const ScriptedPeer odd([jobs](const ScriptedPeer::Asked& asked) {
      return ScriptedPeer::Answer{asked.target == "/v1/jobs" ? jobs : R"({"cordons": [7, {}]})",
                                  200};
    });
    const auto outcome = b_.command({"drain", odd.address(), "--to", address(c_)});
    EXPECT_EQ(outcome.exit_code, 1) << jobs << outcome.out << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("lists no jobs"));
    EXPECT_THAT(outcome.err, HasSubstr("look what answers at that address"));
  }
  const ScriptedPeer empty([](const ScriptedPeer::Asked&) {
    return ScriptedPeer::Answer{R"({"cordons": 7, "jobs": []})", 200};
  });
  const auto outcome = b_.command({"drain", empty.address(), "--to", address(c_)});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

TEST_F(DrainedHost, RunsTheHookAroundEachJob) {
  for (const auto* name : {"j1", "j2"}) run_job(name);
  const auto calls = (dir_.path() / "calls").string();
  const auto hook =
      script("hook",
             "echo \"$1 $2 $CARDSWAP_HOOK_PHASE $CARDSWAP_HOOK_JOB $CARDSWAP_HOOK_FROM "
             "[$CARDSWAP_HOOK_RESULT]\" >>" +
                 calls +
                 "\n"
                 "[ \"$1 $2\" != 'before j2' ] || exit 5\n");
  const auto drained = as_json(drain({"--parallel", "1", "--hook", hook}), 1);
  EXPECT_EQ(result_of(drained, "j1"), "moved");
  EXPECT_EQ(result_of(drained, "j2"), "skipped");
  EXPECT_THAT(boost::json::serialize(drained), HasSubstr("hook before it: exit 5"));
  EXPECT_EQ(read_file(calls),
            "before j1 before j1 a/cpu:0 []\n"
            "after j1 after j1 a/cpu:0 [moved]\n"
            "before j2 before j2 a/cpu:0 []\n");
}

/// What brought a job here is over: it keeps no other drain from moving it on.
TEST_F(DrainedHost, CanBeDrainedToAndFro) {
  run_job("j1");
  const auto one_way = [&](const Host& from, const Host& to) {
    const auto outcome = b_.command({"drain", address(from), "--to", address(to)});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("1 of 1 jobs are gone"));
    EXPECT_EQ(b_.command({"uncordon", address(from)}).exit_code, 0);
    EXPECT_TRUE(to.job("j1").at("migration").is_null());
    EXPECT_TRUE(to.steps_again_within("j1", 5s));
  };
  for (int i = 0; i < 3; ++i) {
    one_way(a_, c_);
    one_way(c_, a_);
  }
  EXPECT_EQ(live_jobs(a_), 1U);
  EXPECT_EQ(live_jobs(c_), 0U);
}

class MaintainedHost : public DrainedHost {
 protected:
  [[nodiscard]] std::vector<std::string> maintenance(std::vector<std::string> more) const {
    std::vector<std::string> words{"/usr/bin/env", std::string("CARDSWAP=") + CARDSWAP,
                                   std::string(SCRIPTS) + "/maintenance.sh",
                                   "--drain-option=--to=" + address(c_), address(a_)};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  [[nodiscard]] Outcome maintain(std::vector<std::string> more) const {
    return run(maintenance(std::move(more)));
  }
  static std::string reason_of(const Host& host) {
    const auto answer = host.ask({"devices"});
    return text(answer.at("devices").as_array()[0].as_object(), "cordon_reason");
  }
};

TEST_F(MaintainedHost, IsOpenedAgainByTheScriptWhenTheCommandWorked) {
  run_job("j1");
  const auto failed = maintain({"--", "/bin/sh", "-c", "exit 9"});
  EXPECT_EQ(failed.exit_code, 9) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("stays cordoned"));
  EXPECT_TRUE(cordoned(a_));
  EXPECT_EQ(live_jobs(a_), 0U);
  EXPECT_EQ(a_.command({"uncordon", address(a_)}).exit_code, 0);

  const auto file = (dir_.path() / "two words").string();
  EXPECT_EQ(maintain({"--keep-cordoned", "--", "/bin/true"}).exit_code, 0);
  EXPECT_TRUE(cordoned(a_));
  EXPECT_EQ(a_.command({"uncordon", address(a_)}).exit_code, 0);
  EXPECT_EQ(maintain({"--", "/usr/bin/touch", file}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(file)) << "arguments stay whole";
  EXPECT_FALSE(cordoned(a_));
  EXPECT_EQ(maintain({}).exit_code, 2);
}

TEST_F(MaintainedHost, StaysClosedWhereSomebodyElseClosedIt) {
  const auto bob = "disk failing, do not use - Bob";
  EXPECT_EQ(a_.command({"cordon", address(a_), "--reason", bob}).exit_code, 0);
  const auto done = maintain({"--", "/bin/true"});
  EXPECT_EQ(done.exit_code, 10) << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr("done, but still cordoned"), HasSubstr(bob)));
  EXPECT_EQ(reason_of(a_), bob);

  EXPECT_EQ(a_.command({"uncordon", address(a_)}).exit_code, 0);
  const auto meanwhile = maintain({"--", CARDSWAP, "cordon", address(a_), "--reason", bob});
  EXPECT_EQ(meanwhile.exit_code, 10) << meanwhile.err;
  EXPECT_EQ(reason_of(a_), bob);
}

/// The command ends the agent as a reboot would; it comes back when the script waits for it.
TEST_F(MaintainedHost, IsWaitedForWhenItComesBackFromAReboot) {
  const auto went = (dir_.path() / "went").string();
  Child script(maintenance({"--reboot", "--wait", "60s", "--", "/usr/bin/touch", went}),
               log_.string());
  ASSERT_TRUE(within(30s, [&] { return std::filesystem::exists(went); }));
  ASSERT_FALSE(within(1500ms, [&] { return script.ended(); })) << "its agent has not gone yet";
  a_.kill_agent(SIGKILL);
  ASSERT_FALSE(within(1500ms, [&] { return script.ended(); })) << read_file(log_.string());
  a_.start_agent();
  EXPECT_EQ(script.wait(), 0) << read_file(log_.string());
  EXPECT_THAT(read_file(log_.string()), HasSubstr("is open again"));
  EXPECT_FALSE(cordoned(a_));

  const auto gone =
      maintain({"--wait", "300ms", "--", "/bin/sh", "-c",
                "kill -9 " + std::to_string(static_cast<int>(number(a_.ask({"version"}), "pid")))});
  EXPECT_EQ(gone.exit_code, 11) << gone.err;
  EXPECT_THAT(gone.err, HasSubstr("stays cordoned"));
  a_.kill_agent(SIGKILL);  // it is dead: waited for
  a_.start_agent();
  EXPECT_TRUE(cordoned(a_));
}

}  // namespace
}  // namespace cardswap::test
