/// Method: real agents and real programs; the agent is killed and started again, or everything is
/// killed as by a reboot. What became of a job is judged by what its program did, by the kernel's
/// list of processes, and by what the next agent says.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "agent/jobs/lost_job.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

int pid_of(const Host& host, const std::string& job) {
  return static_cast<int>(number(host.job(job), "pid"));
}
bool is_running(int pid) { return read_file("/proc/" + std::to_string(pid) + "/cmdline") != ""; }
/// "PPid", "VmRSS": a number of /proc/PID/status.
long status_of(int pid, const std::string& key) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/status");
  const auto at = text.find(key + ":");
  return at == std::string::npos ? -1 : std::stol(text.substr(at + key.size() + 1));
}
std::string all_events(const Host& host) { return boost::json::serialize(host.ask({"events"})); }

class JobsEnd : public ::testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  /// A program that waits until end(name), then ends as `how` says.
  void run_waiting(const Host& host, const std::string& name, const std::string& how,
                   const std::string& restart = "never") const {
    ASSERT_EQ(::mkfifo(file(name).c_str(), 0600), 0);
    (void)host.ask(
        {"run", "--name", name, "--restart", restart, "--", "sh", "-c",
         "echo started >>" + file(name) + ".log; read line <" + file(name) + "; " + how});
    ASSERT_TRUE(within(5s, [&] { return starts(name) == 1; }));
  }
  void end(const std::string& name) const { std::ofstream(file(name)) << "\n"; }
  [[nodiscard]] long starts(const std::string& name) const {
    const auto text = read_file(file(name) + ".log");
    return std::count(text.begin(), text.end(), '\n');
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "a"}};
};

TEST_F(JobsEnd, TellTheirExitStatusToAnAgentThatWasAway) {
  run_waiting(a_, "early", "exit 3");
  run_waiting(a_, "late", "exit 4");
  run_waiting(a_, "well", "exit 0");
  run_waiting(a_, "killed", "kill -SEGV $$");
  const auto early = pid_of(a_, "early");
  const auto killed = pid_of(a_, "killed");
  a_.kill_agent(SIGKILL);
  for (const auto* name : {"early", "well", "killed"}) end(name);
  ASSERT_TRUE(within(5s, [&] { return !is_running(early) && !is_running(killed); }));
  a_.start_agent();
  EXPECT_TRUE(within(5s, [&] { return text(a_.job("early"), "state") == "failed"; }));
  EXPECT_EQ(number(a_.job("early"), "exit_code"), 3);
  EXPECT_TRUE(a_.ended_within("well", 5s));
  EXPECT_EQ(text(a_.job("well"), "state"), "ended");
  EXPECT_TRUE(a_.ended_within("killed", 5s));
  EXPECT_EQ(number(a_.job("killed"), "exit_signal"), SIGSEGV);
  EXPECT_THAT(a_.log(), HasSubstr("1 job taken up, 3 gone, 0 lost, 0 migrations given up"));
  EXPECT_EQ(text(a_.job("late"), "state"), "starting") << "it has no runtime";
  end("late");
  EXPECT_TRUE(within(5s, [&] { return text(a_.job("late"), "state") == "failed"; }));
  EXPECT_EQ(number(a_.job("late"), "exit_code"), 4);
}

TEST_F(JobsEnd, AreStartedAgainWhereTheyFailedWhileTheAgentWasAway) {
  run_waiting(a_, "job", "exit 3", "on-failure");
  const auto first = pid_of(a_, "job");
  a_.kill_agent(SIGKILL);
  end("job");
  ASSERT_TRUE(within(5s, [&] { return !is_running(first); }));
  a_.start_agent();
  EXPECT_TRUE(within(5s, [&] { return starts("job") == 2; })) << a_.log();
  EXPECT_EQ(number(a_.job("job"), "restarts"), 1);
}

TEST_F(JobsEnd, GiveTheirStatusToAStopAfterTheAgentsRestart) {
  run_waiting(a_, "job", "exit 1");
  (void)a_.ask({"run", "--name", "polite", "--", "sh", "-c",
                "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"});
  ASSERT_TRUE(within(5s, [&] { return a_.command({"logs", "polite"}).out == "ready\n"; }));
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  const auto stopped = a_.ask({"stop", "polite"});
  EXPECT_EQ(text(stopped, "state"), "stopped");
  EXPECT_EQ(number(stopped, "exit_code"), 5);
  EXPECT_THAT(a_.command({"stop", "job"}).out, HasSubstr("job job is stopped (signal 15)"));
}

/// Method: the trainer itself takes no notice of SIGTERM, as one whose handler only sets a flag;
/// the shell around it makes the file that ends it after a step. It stands for a migration
/// meanwhile.
TEST_F(JobsEnd, HearAStopThoughTheyStandForAMigration) {
  Host b(dir_.path() / "b", {.name = "b"});
  const auto train = "(trap '' TERM; exec " + trainer("plain_memory") +
                     " --steps 100000000 --step-ms 5 --end-when " + file("end") + ") & ";
  (void)a_.ask({"run", "--name", "job", "--", "sh", "-c",
                "trap 'touch " + file("end") + "' TERM; " + train + "wait; wait $!"});
  ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  const auto id = text(a_.ask({"migrate", "job", "--to", b.at("cpu:0"), "--max-downtime", "none",
                               "--hold-at", "verifying", "--detach"}),
                       "id");
  ASSERT_TRUE(within(30s, [&] { return a_.ask({"status", id}).at("held").as_bool(); })) << a_.log();
  const auto stopped = a_.ask({"stop", "job", "--grace", "60s"});
  EXPECT_EQ(text(stopped, "state"), "ended") << "it was killed: it did not hear that it is to end";
  EXPECT_EQ(number(stopped, "exit_code"), 0);
  EXPECT_TRUE(within(20s, [&] {
    return text(a_.ask({"status", id}), "state") == "aborted";
  })) << a_.log();
  EXPECT_THAT(text(a_.ask({"status", id}).at("error").as_object(), "failure"),
              HasSubstr("job job was stopped"));
}

TEST_F(JobsEnd, AreRefusedAtOnceWhereTheProgramCannotBeStarted) {
  const auto outcome = a_.command({"run", "--name", "job", "--", "/no/such/program"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("start /no/such/program: No such file"),
                                 HasSubstr("check the program's path")));
  const auto nowhere = a_.command({"run", "--name", "job", "--cwd", "/no/such", "--", "/bin/true"});
  EXPECT_THAT(nowhere.err, HasSubstr("start /bin/true: No such file"));
  EXPECT_TRUE(a_.job("job").empty());
}

TEST_F(JobsEnd, CostAParentThatIsSmallAndTheAgentsOwn) {
  run_waiting(a_, "job", "exit 3");
  const auto pid = pid_of(a_, "job");
  const auto parent = static_cast<int>(status_of(pid, "PPid"));
  EXPECT_THAT(read_file("/proc/" + std::to_string(parent) + "/cmdline"),
              HasSubstr("cardswap-init"));
  const long small = 2048L * (kPatience > 1 ? 100 : 1);  // a sanitizer brings its own memory
  EXPECT_LT(status_of(parent, "VmRSS"), small) << "KiB";
  EXPECT_EQ(::getsid(pid), pid) << "it leads its own session";
  EXPECT_EQ(variable_of(parent, "CARDSWAP_TOKEN"), "");
  // Asked like everybody else of a unit, it waits for its child all the same.
  ::kill(parent, SIGTERM);
  end("job");
  EXPECT_TRUE(within(5s, [&] { return text(a_.job("job"), "state") == "failed"; }));
  EXPECT_EQ(number(a_.job("job"), "exit_code"), 3);
  EXPECT_TRUE(within(5s, [&] { return !is_running(parent); }));
  EXPECT_THAT(files_below(a_.dir() / "jobs"), ::testing::ElementsAre("job/log"));
}

TEST_F(JobsEnd, AreLostWhereNobodyIsLeftToTell) {
  run_waiting(a_, "job", "exit 3");
  run_waiting(a_, "again", "exit 3", "on-failure");
  const auto pid = pid_of(a_, "job");
  const auto again = pid_of(a_, "again");
  const auto parent = status_of(pid, "PPid");
  const auto parent_of_again = status_of(again, "PPid");
  a_.kill_agent(SIGKILL);
  for (const auto one : {parent, parent_of_again, long{pid}, long{again}}) {
    ::kill(static_cast<int>(one), SIGKILL);
  }
  ASSERT_TRUE(within(5s, [&] { return !is_running(pid) && !is_running(again); }));
  a_.start_agent();
  EXPECT_TRUE(within(5s, [&] { return text(a_.job("job"), "state") == "lost"; })) << a_.log();
  EXPECT_THAT(text(a_.job("job"), "exit_text"), HasSubstr("no step of it was seen"));
  EXPECT_THAT(a_.command({"jobs"}).out, AllOf(HasSubstr("lost"), HasSubstr("who would have told")));
  EXPECT_THAT(a_.log(), AllOf(HasSubstr("job job is lost: "), HasSubstr("0 gone, 2 lost")));
  EXPECT_THAT(all_events(a_), AllOf(HasSubstr("job_lost"), HasSubstr("job job is lost")));
  EXPECT_TRUE(within(5s, [&] { return starts("again") == 2; })) << "on-failure holds";
  EXPECT_EQ(starts("job"), 1);
}

TEST_F(JobsEnd, AreWatchedThoughTheirParentWasKilled) {
  run_waiting(a_, "job", "exit 3");
  const auto pid = pid_of(a_, "job");
  const auto parent = static_cast<int>(status_of(pid, "PPid"));
  ::kill(parent, SIGKILL);
  ASSERT_TRUE(within(5s, [&] { return !is_running(parent); }));
  EXPECT_EQ(pid_of(a_, "job"), pid) << "it runs on";
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  EXPECT_EQ(pid_of(a_, "job"), pid);
  end("job");
  EXPECT_TRUE(within(5s, [&] { return text(a_.job("job"), "state") == "lost"; }));
}

/// A boot id of the agent's own, which the test changes, and every process of the host killed.
TEST(JobsOfARestartedHost, AreLostAtTheStepThatWasLastSeen) {
  if (::geteuid() != 0) return skip_without("root", "a boot id of one's own needs root");
  const TempDir dir;
  const NothingOutlives guard(dir.path());
  const auto boot = (dir.path() / "boot_id").string();
  std::ofstream(boot) << "boot-1\n";
  Host a(dir.path() / "a", {.name = "a",
                            .env = {"A=B", "unshare", "-m", "sh", "-c",
                                    "mount --bind " + boot +
                                        " /proc/sys/kernel/random/boot_id && exec \"$0\" \"$@\""}});
  a.run_job("job", {trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
  (void)a.ask({"run", "--name", "other", "--", "sleep", "1000"});
  // Long enough that the step was kept: that is done every few seconds.
  ASSERT_TRUE(within(60s, [&] { return a.step_of("job") > 1000; }));
  const auto pid = pid_of(a, "job");
  const auto parent = static_cast<int>(status_of(pid, "PPid"));
  a.kill_agent(SIGKILL);
  ::kill(parent, SIGKILL);
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(within(5s, [&] { return !is_running(pid); }));
  std::ofstream(boot) << "boot-2\n";
  a.start_agent();
  ASSERT_TRUE(within(5s, [&] { return text(a.job("job"), "state") == "lost"; })) << a.log();
  EXPECT_THAT(text(a.job("job"), "exit_text"),
              AllOf(HasSubstr("host restarted at "), HasSubstr("last seen at step ")));
  EXPECT_GT(a.step_of("job"), 0);
  // Its process lives, as one would that got the same numbers in this boot.
  EXPECT_TRUE(within(5s, [&] { return text(a.job("other"), "state") == "lost"; })) << a.log();
}

TEST(WhyAJobIsLost, IsToldWithTimeAndStep) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  constexpr std::int64_t kDay = 86'400'000;
  EXPECT_EQ(why_lost({true, 67'440'000, 70'000'000, 231}),
            "host restarted at 18:44, last seen at step 231");
  EXPECT_EQ(why_lost({true, 67'440'000, 70'000'000 + kDay, 0}),
            "host restarted at 1970-01-01 18:44, no step of it was seen");
  EXPECT_THAT(why_lost({false, 67'440'000, 70'000'000, 7}), HasSubstr("last seen at step 7"));
}

// ---- whose processes they are

class JobsProcesses : public JobsEnd {
 protected:
  /// The trainer and, beside it, a process that leaves its group and session; `after`: what the
  /// program does when its training has ended.
  void run_with_a_deserter(const std::string& after) {
    a_.run_job("job",
               {"sh", "-c",
                "setsid sleep 1000 & \"$0\" --steps 100000 --step-ms 5 --bytes 2000000; " + after,
                trainer("plain_memory")});
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  void move() {
    const auto outcome =
        a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err << a_.log();
  }
  [[nodiscard]] std::vector<pid_t> here() const { return processes_of(a_.dir()); }

  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(JobsProcesses, EndAllWithItThoughOneLeftTheGroup) {
  run_with_a_deserter("exit 0");
  EXPECT_THAT(here(), SizeIs(3));
  const auto stopped = a_.command({"stop", "job"});
  EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_THAT(stopped.out, AllOf(HasSubstr("job job is stopped"), HasSubstr("processes ")));
  EXPECT_THAT(here(), IsEmpty());
}

TEST_F(JobsProcesses, EndAllWhereTheJobMovedAway) {
  run_with_a_deserter("exit 0");
  move();
  EXPECT_TRUE(within(15s, [&] { return here().empty(); })) << a_.log();
  const auto asked = a_.command({"stop", "job"});
  EXPECT_EQ(asked.exit_code, 3);
  EXPECT_THAT(asked.err, HasSubstr("job job moved to " + b_.at("cpu:0") + ": ask there"));
  EXPECT_TRUE(b_.steps_again_within("job", 5s));
}

TEST_F(JobsProcesses, AreNotLeftInPeaceByAnAgentThatWasKilledMeanwhile) {
  run_with_a_deserter("trap '' TERM; while :; do sleep 0.1; done");
  const auto pid = pid_of(a_, "job");
  move();
  // It has not left, and whoever looks is told so.
  EXPECT_EQ(a_.job("job").at("still_alive").as_array().at(0).as_int64(), pid);
  EXPECT_THAT(a_.command({"jobs"}).out, HasSubstr("process " + std::to_string(pid)));
  const auto kept = a_.command({"forget", "job"});
  EXPECT_EQ(kept.exit_code, 3);
  EXPECT_THAT(kept.err, HasSubstr("live on: "));
  EXPECT_EQ(text(a_.job("job"), "state"), "moved");
  a_.kill_agent(SIGKILL);
  EXPECT_FALSE(here().empty());
  a_.start_agent();
  EXPECT_TRUE(within(5s, [&] { return here().empty(); })) << a_.log();
  EXPECT_EQ(text(a_.job("job"), "state"), "moved");
  EXPECT_EQ(a_.command({"forget", "job"}).exit_code, 0);
  EXPECT_TRUE(b_.steps_again_within("job", 5s));
}

TEST_F(JobsProcesses, AreEndedByAStopWhereTheJobIsNoMore) {
  run_with_a_deserter("trap '' TERM; while :; do sleep 0.1; done");
  const auto pid = pid_of(a_, "job");
  move();
  const auto stopped = a_.command({"stop", "job", "--grace", "100ms"});
  EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_THAT(stopped.out, AllOf(HasSubstr("job job is moved"), HasSubstr(std::to_string(pid))));
  EXPECT_TRUE(within(5s, [&] { return here().empty(); }));
  EXPECT_EQ(a_.command({"stop", "job"}).exit_code, 3);
  EXPECT_TRUE(b_.steps_again_within("job", 5s));
}

TEST_F(JobsProcesses, AreEndedByTheAgentWhereTheyDoNotLeave) {
  run_with_a_deserter("trap '' TERM; while :; do sleep 0.1; done");
  move();
  EXPECT_TRUE(within(25s, [&] { return here().empty(); })) << a_.log();
  EXPECT_TRUE(within(2s, [&] { return a_.log().find("were ended here") != std::string::npos; }));
}

// ---- standbys

TEST_F(JobsProcesses, OfAStandbyThatFailedLeaveALogAndAnExitCodeButNoRow) {
  a_.run_job("job", {"sh", "-c",
                     "[ \"$CARDSWAP_ROLE\" = primary ] || { echo no data here; exit 7; }; "
                     "exec \"$0\" --steps 100000 --step-ms 5 --bytes 2000000",
                     trainer("plain_memory")});
  ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  for (int i = 0; i < 5; ++i) {
    const auto outcome = a_.command({"migrate", "job", "--to", b_.at("cpu:0")});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("ended with exit 7"), HasSubstr("no data here")));
  }
  EXPECT_THAT(b_.ask({"jobs"}).at("jobs").as_array(), IsEmpty());
  EXPECT_EQ(b_.command({"logs", "job"}).out, "no data here\n");
  EXPECT_THAT(files_below(b_.dir() / "jobs"), SizeIs(3)) << "a few are kept";
  b_.kill_agent(SIGKILL);
  b_.start_agent();
  EXPECT_THAT(b_.ask({"jobs"}).at("jobs").as_array(), IsEmpty());
}

TEST_F(JobsProcesses, AreListedOnceAName) {
  run_with_a_deserter("exit 0");
  move();
  ASSERT_TRUE(within(15s, [&] { return here().empty(); }));
  run_waiting(a_, "over", "exit 0");
  end("over");
  run_waiting(a_, "bad", "exit 2");
  end("bad");
  ASSERT_TRUE(a_.ended_within("over", 5s));
  ASSERT_TRUE(a_.ended_within("bad", 5s));
  const auto shown = a_.command({"jobs"}).out;
  EXPECT_THAT(shown, AllOf(HasSubstr("AGE"), HasSubstr("bad "), Not(HasSubstr("over "))));
  EXPECT_THAT(shown, HasSubstr("2 more are over: cardswap jobs --all"));
  EXPECT_THAT(a_.command({"jobs", "--all"}).out, AllOf(HasSubstr("over "), HasSubstr("job ")));
  EXPECT_THAT(a_.ask({"jobs"}).at("jobs").as_array(), SizeIs(3)) << "JSON has them all";
  EXPECT_EQ(
      b_.command({"migrate", "job", "--to", a_.at("cpu:0"), "--max-downtime", "none"}).exit_code,
      0);
  EXPECT_EQ(a_.command({"forget", "--ended"}).exit_code, 0);
  const auto left = a_.ask({"jobs"}).at("jobs").as_array();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(text(left[0].as_object(), "name"), "job");
}

}  // namespace
}  // namespace cardswap::test
