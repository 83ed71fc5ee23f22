/// Method: two hosts with a real link. The migration is brought past its commit, the link is cut,
/// the operator decides rightly, wrongly or not at all, and the link heals. Processes are judged by
/// the kernel (stopped, running or gone), what is said by both hosts' jobs, events, logs, health
/// and metrics. Whatever was decided: in the end one copy steps, and the other is halted for good
/// or is gone, and both sides say so.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/refused_records.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class TwoEpochs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
    net_ = std::make_unique<NetnsPair>();
    const auto options = [&](int side, const std::string& name) {
      return HostOptions{.name = name,
                         .devices = {"cpu:0", "cpu:1"},
                         .netns = net_->name(side),
                         .address = NetnsPair::address(side),
                         .transports = "tcp"};
    };
    a_ = std::make_unique<Host>(dir_.path() / "a", options(0, "a"));
    b_ = std::make_unique<Host>(dir_.path() / "b", options(1, "b"));
  }

  void start_job(const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"run", "--name", "job"};
    command.insert(command.end(), more.begin(), more.end());
    command.insert(command.end(),
                   {"--", trainer("plain_memory"), "--steps", "1000000", "--bytes", "524288",
                    "--step-ms", "5", "--loss-log", file("losses"), "--wait-while", file("wait")});
    (void)a_->ask(command);
    ASSERT_TRUE(within(10s, [&] { return a_->step_of("job") >= 3; })) << a_->log();
  }
  void migrate_and_hold(const std::string& state) {
    id_ = text(a_->ask({"migrate", "job", "--to", b_->at("cpu:0"), "--max-downtime", "none",
                        "--hold-at", state, "--detach"}),
               "id");
    ASSERT_TRUE(within(20s, [&] {
      return a_->ask({"status", id_}).at("held").as_bool();
    })) << logs();
  }
  void proceed() {
    EXPECT_EQ(ask_over_unix(*a_, {.method = "POST", .target = "/v1/migrations/" + id_ + "/proceed"})
                  .status,
              200U);
  }
  /// In doubt, and the job steps at the target.
  void lose_a_target_that_steps() {
    migrate_and_hold("committed");
    std::ofstream(file("wait")) << "\n";
    proceed();
    ASSERT_TRUE(comes_to("resumed")) << logs();
    net_->cut();
    ASSERT_TRUE(comes_to("in_doubt")) << logs();
    std::filesystem::remove(file("wait"));
    ASSERT_TRUE(b_->steps_again_within("job", 5s)) << logs();
  }

  /// In doubt, and the target holds the whole state and waits for the grant.
  void lose_a_target_that_waits() {
    migrate_and_hold("committed");
    net_->cut();
    proceed();
    ASSERT_TRUE(comes_to("in_doubt")) << logs();
  }

  [[nodiscard]] bool comes_to(const std::string& state) const {
    return within(25s, [&] { return text(a_->ask({"status", id_}), "state") == state; });
  }
  [[nodiscard]] int resolve(const Host& host, const std::string& to,
                            const std::vector<std::string>& more = {"--yes"}) const {
    std::vector<std::string> command{"resolve", id_, "--force", to};
    command.insert(command.end(), more.begin(), more.end());
    return host.command(command).exit_code;
  }
  void expect_no_stop_while(const std::string& state) const {
    const auto refused = a_->command({"stop", "job"});
    EXPECT_EQ(refused.exit_code, 3) << state;
    EXPECT_THAT(refused.err, HasSubstr("is frozen for migration " + id_ + ", which is " + state));
    EXPECT_NE(process_state_of(*a_), ' ') << "its only good copy may have been ended";
  }
  static std::string note_of(const Host& host) {
    const auto job = host.job("job");
    return job.contains("note") ? text(job, "note") : std::string();
  }
  static std::vector<std::string> events_of(const Host& host, const std::string& kind) {
    std::vector<std::string> found;
    const auto answer = host.ask({"events"});
    for (const auto& event : answer.at("events").as_array()) {
      if (text(event.as_object(), "kind") == kind) found.push_back(text(event.as_object(), "text"));
    }
    return found;
  }
  static std::string metrics_of(const Host& host) {
    return ask_over_unix(host, {.target = "/metrics"}).content;
  }
  static boost::json::object health_of(const Host& host) {
    return ask_over_unix(host, {.target = "/v1/health"}).body;
  }
  /// As the kernel has it: 'T' is stopped; ' ' is gone.
  static char process_state_of(const Host& host) {
    const auto processes = processes_of(host.dir());
    if (processes.empty()) return ' ';
    const auto stat = read_file("/proc/" + std::to_string(processes[0]) + "/stat");
    const auto name_ends = stat.rfind(')');
    return name_ends == std::string::npos ? ' ' : stat.at(name_ends + 2);
  }
  [[nodiscard]] bool is_halted_for_good(const Host& host) const {
    return within(15s, [&] {
      return process_state_of(host) == 'T' && text(host.job("job"), "state") == "frozen" &&
             note_of(host).find("superseded") != std::string::npos;
    });
  }
  [[nodiscard]] std::string logs() const { return a_->log() + "----\n" + b_->log(); }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (dir_.path() / name).string();
  }

  /// What both hosts say once the copy on `lower` stands, and that it goes with a `stop`.
  void expect_said_and_stopped(const Host& higher, const Host& lower) {
    ASSERT_TRUE(is_halted_for_good(lower)) << logs();
    EXPECT_TRUE(higher.steps_again_within("job", 5s)) << logs();
    EXPECT_THAT(note_of(lower), HasSubstr("cardswap stop job"));
    EXPECT_TRUE(within(
        25s, [&] { return note_of(higher).find("is halted for good") != std::string::npos; }))
        << note_of(higher) << logs();
    for (const auto* host : {&higher, &lower}) {
      EXPECT_THAT(events_of(*host, "two_epochs"), Not(IsEmpty()));
      EXPECT_THAT(host->log(), HasSubstr("job job is there twice"));
    }
    EXPECT_THAT(metrics_of(lower), HasSubstr("cardswap_jobs_superseded{where=\"here\"} 1"));
    EXPECT_EQ(text(health_of(lower), "status"), "WARNING");
    const auto back = higher.command({"migrate", "job", "--to", lower.at("cpu:0")});
    EXPECT_EQ(back.exit_code, 3) << "it would hide the copy that stands there";
    EXPECT_THAT(back.err, HasSubstr("superseded copy"));
    EXPECT_EQ(lower.command({"stop", "job", "--grace", "0s"}).exit_code, 0);
    EXPECT_EQ(process_state_of(lower), ' ');
    EXPECT_TRUE(within(40s, [&] { return note_of(higher).find("is halted") == std::string::npos; }))
        << note_of(higher);
    EXPECT_TRUE(higher.steps_again_within("job", 5s)) << logs();
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  std::unique_ptr<NetnsPair> net_;
  std::unique_ptr<Host> a_, b_;
  std::string id_;
};

TEST_F(TwoEpochs, ADoubtIsSaidByEverythingThatShowsJobsAndHealsByItself) {
  start_job();
  lose_a_target_that_steps();
  EXPECT_EQ(text(a_->job("job"), "state"), "in_doubt");
  EXPECT_EQ(note_of(*a_), "may run on " + b_->at("cpu:0") + " (migration " + id_ + ")");
  EXPECT_THAT(a_->command({"jobs"}).out, HasSubstr("in_doubt"));
  EXPECT_EQ(text(health_of(*a_), "status"), "WARNING");
  EXPECT_THAT(text(health_of(*a_), "summary"), HasSubstr("in doubt"));
  EXPECT_THAT(metrics_of(*a_), HasSubstr("cardswap_migrations_in_doubt{role=\"source\"} 1"));
  EXPECT_THAT(metrics_of(*a_), HasSubstr("cardswap_jobs{state=\"in_doubt\"} 1"));
  ASSERT_THAT(events_of(*a_, "in_doubt"), SizeIs(1));
  EXPECT_THAT(events_of(*a_, "in_doubt")[0],
              HasSubstr("on " + NetnsPair::address(1) + ": `cardswap jobs`"));

  const auto refused = a_->command({"stop", "job"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("--force target"));
  EXPECT_EQ(process_state_of(*a_) == ' ', false) << "its only good copy may have been ended";
  EXPECT_EQ(resolve(*a_, "source", {}), 2) << "nobody was asked";

  net_->heal();
  ASSERT_TRUE(comes_to("completed")) << logs();
  EXPECT_TRUE(within(15s, [&] { return process_state_of(*a_) == ' '; })) << logs();
  EXPECT_TRUE(b_->steps_again_within("job", 5s));
  EXPECT_EQ(text(health_of(*a_), "status"), "OK");
  EXPECT_THAT(metrics_of(*a_), HasSubstr("cardswap_migrations_in_doubt{role=\"source\"} 0"));
}

TEST_F(TwoEpochs, ForcedToATargetThatStepsThereIsOneCopy) {
  start_job();
  lose_a_target_that_steps();
  EXPECT_EQ(resolve(*a_, "target"), 0);
  ASSERT_TRUE(comes_to("completed")) << logs();
  EXPECT_THAT(events_of(*a_, "forced"), SizeIs(1));
  EXPECT_TRUE(within(15s, [&] { return process_state_of(*a_) == ' '; })) << logs();
  net_->heal();
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(events_of(*b_, "two_epochs"), IsEmpty());
  EXPECT_EQ(note_of(*b_), "");
}

TEST_F(TwoEpochs, ForcedToTheSourceWhileTheTargetStepsTheTargetStandsAfterTheHeal) {
  start_job();
  lose_a_target_that_steps();
  EXPECT_EQ(resolve(*a_, "source"), 0);
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << logs();
  EXPECT_TRUE(within(15s, [&] { return note_of(*a_).find("may still run") != std::string::npos; }))
      << note_of(*a_);
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << "the operator forced it blindly: both step";
  net_->heal();
  expect_said_and_stopped(*a_, *b_);
}

/// Method: the target's journal refuses the job's record, which says that the job is halted for
/// good, until the copy stands and that was told; its agent ends once the record is on disk.
TEST_F(TwoEpochs, ACopyThatMustStandIsToldOfAtOnceAndRecordedAsSoonAsItCanBe) {
  start_job();
  lose_a_target_that_steps();
  EXPECT_EQ(resolve(*a_, "source"), 0);
  auto refused = std::make_unique<RefusedRecords>(b_->dir() / "journal.db", "job");
  net_->heal();
  ASSERT_TRUE(is_halted_for_good(*b_)) << logs();
  EXPECT_TRUE(within(5s, [&] { return !events_of(*b_, "two_epochs").empty(); })) << logs();
  refused.reset();
  EXPECT_TRUE(within(10s, [&] { return b_->log().find("is on disk now") != std::string::npos; }))
      << logs();
  b_->kill_agent(SIGKILL);
  b_->start_agent();
  EXPECT_TRUE(is_halted_for_good(*b_)) << logs();
}

TEST_F(TwoEpochs, ForcedToTheSourceBeforeTheGrantArrivedTheStandbyIsGoneAfterTheHeal) {
  start_job();
  lose_a_target_that_waits();
  EXPECT_EQ(resolve(*a_, "source"), 0);
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << logs();
  net_->heal();
  EXPECT_TRUE(within(30s, [&] { return process_state_of(*b_) == ' '; })) << logs();
  EXPECT_TRUE(within(15s, [&] { return note_of(*a_).empty(); })) << note_of(*a_) << logs();
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << logs();
  for (const auto* host : {a_.get(), b_.get()}) {
    EXPECT_THAT(events_of(*host, "two_epochs"), IsEmpty());
  }
}

TEST_F(TwoEpochs, AGrantThatWasGivenUpDoesNotWaitInTheKernelForTheHeal) {
  start_job();
  lose_a_target_that_waits();
  // A connection that was closed and still has bytes to deliver.
  const auto closed_with_bytes = [&] {
    const auto found = run({"ip", "netns", "exec", net_->name(0), "ss", "--no-header", "--tcp",
                            "--numeric", "state", "fin-wait-1"});
    EXPECT_EQ(found.exit_code, 0) << found.err;
    return found.out;
  };
  EXPECT_TRUE(within(5s, [&] { return closed_with_bytes().empty(); })) << closed_with_bytes();
  EXPECT_EQ(resolve(*a_, "source"), 0);
}

TEST_F(TwoEpochs, ForcedToTheTargetBeforeTheGrantArrivedItGoesOnThereAfterTheHeal) {
  start_job();
  lose_a_target_that_waits();
  EXPECT_EQ(resolve(*a_, "target"), 0);
  ASSERT_TRUE(comes_to("completed")) << logs();
  EXPECT_TRUE(within(15s, [&] { return process_state_of(*a_) == ' '; })) << logs();
  net_->heal();
  EXPECT_TRUE(within(30s, [&] { return text(b_->job("job"), "state") == "running"; })) << logs();
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(events_of(*b_, "two_epochs"), IsEmpty());
}

TEST_F(TwoEpochs, RestartedAgentsGoOnTellingAndObeying) {
  start_job();
  lose_a_target_that_steps();
  EXPECT_EQ(resolve(*a_, "source"), 0);
  ASSERT_TRUE(comes_to("aborted")) << logs();
  a_->kill_agent(SIGKILL);
  b_->kill_agent(SIGKILL);
  a_->start_agent();
  b_->start_agent();
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << logs();
  net_->heal();
  ASSERT_TRUE(is_halted_for_good(*b_)) << logs();
  const auto copy = processes_of(b_->dir());
  ASSERT_THAT(copy, SizeIs(1));
  ::kill(copy[0], SIGCONT);
  EXPECT_TRUE(within(5s, [&] { return process_state_of(*b_) == 'T'; })) << "somebody let it go on";
  b_->kill_agent(SIGKILL);
  ::kill(copy[0], SIGCONT);
  b_->start_agent();
  EXPECT_TRUE(within(5s, [&] { return process_state_of(*b_) == 'T'; })) << logs();
  expect_said_and_stopped(*a_, *b_);
}

TEST_F(TwoEpochs, ForcedToTheTargetWhileTheSourceStepsTheSourceStandsAfterTheHeal) {
  start_job();
  migrate_and_hold("verifying");
  EXPECT_EQ(text(a_->job("job"), "state"), "frozen");
  EXPECT_THAT(note_of(*a_), HasSubstr("is frozen for migration " + id_));
  ASSERT_TRUE(within(10s, [&] {
    return b_->log().find("migration " + id_ + " here: verified") != std::string::npos;
  })) << logs();
  net_->cut();
  ASSERT_TRUE(comes_to("aborted")) << logs();
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << logs();
  EXPECT_EQ(resolve(*b_, "target"), 0);
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << logs();
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << "the operator forced it blindly: both step";
  b_->kill_agent(SIGKILL);
  b_->start_agent();
  net_->heal();
  expect_said_and_stopped(*b_, *a_);
  EXPECT_EQ(text(a_->ask({"status", id_}), "state"), "superseded");
}

TEST_F(TwoEpochs, ATargetThatAnswersIsNotForcedAwayUnlessOverruled) {
  start_job();
  migrate_and_hold("committed");
  expect_no_stop_while("committed");
  std::ofstream(file("wait")) << "\n";
  proceed();
  ASSERT_TRUE(comes_to("resumed")) << logs();
  expect_no_stop_while("resumed");
  EXPECT_EQ(text(b_->ask({"status", id_}), "role"), "target");
  EXPECT_THAT(b_->command({"status"}).out, HasSubstr("incoming"));
  EXPECT_EQ(resolve(*a_, "source"), 3) << "it runs at the target, which says so";
  EXPECT_EQ(text(a_->ask({"status", id_}), "state"), "resumed");
  EXPECT_EQ(resolve(*a_, "source", {"--yes", "--overrule"}), 0);
  std::filesystem::remove(file("wait"));
  expect_said_and_stopped(*a_, *b_);
}

TEST_F(TwoEpochs, ASourceWithoutAProcessIsNotForcedToGoOn) {
  start_job();
  lose_a_target_that_steps();
  for (const int pid : processes_of(a_->dir())) ::kill(pid, SIGKILL);
  ASSERT_TRUE(within(5s, [&] { return process_state_of(*a_) == ' '; }));
  const auto refused = a_->command({"resolve", id_, "--force", "source", "--yes", "--overrule"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("no process"));
  net_->heal();
  EXPECT_TRUE(comes_to("completed")) << logs();
}

TEST_F(TwoEpochs, AJobThatItsSourceTakesBackIsNotRestartedAtTheTarget) {
  start_job({"--restart", "on-failure"});
  migrate_and_hold("committed");
  std::ofstream(file("wait")) << "\n";
  proceed();
  ASSERT_TRUE(comes_to("resumed")) << logs();
  for (const int pid : processes_of(b_->dir())) ::kill(pid, SIGKILL);
  ASSERT_TRUE(comes_to("aborted")) << logs();
  std::filesystem::remove(file("wait"));
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(processes_of(b_->dir()), IsEmpty()) << "a second copy was started\n" << logs();
  EXPECT_EQ(number(b_->job("job"), "restarts"), 0) << "one was started, if only for a moment";
}

TEST_F(TwoEpochs, AHostThatKnowsAHigherEpochTakesNoLowerOne) {
  start_job();
  migrate_and_hold("committed");
  proceed();
  ASSERT_TRUE(comes_to("completed")) << logs();
  const auto job = b_->job("job");
  const auto reserve = [&](int epoch) {
    boost::json::object spec{{"name", "job"},
                             {"uid", text(job, "uid")},
                             {"argv", boost::json::array{"/bin/true"}},
                             {"cwd", "/"}};
    const boost::json::object body{{"migration", "m-00000001"},
                                   {"job", spec},
                                   {"device", "cpu:1"},
                                   {"epoch", epoch},
                                   {"dry_run", true}};
    return ask_over_unix(*b_, {.method = "POST",
                               .target = "/v1/peer/reservations",
                               .body = boost::json::serialize(body),
                               .headers = {{"Cardswap-Protocol", "1"}}});
  };
  const auto old = reserve(2);
  EXPECT_FALSE(old.body.at("accepted").as_bool()) << old.content;
  EXPECT_THAT(old.content, HasSubstr("knows of epoch 2 of job job"));
  EXPECT_THAT(events_of(*b_, "two_epochs"), SizeIs(1));
  const auto newer = reserve(3);
  EXPECT_TRUE(newer.body.at("accepted").as_bool()) << newer.content;
}

}  // namespace
}  // namespace cardswap::test
