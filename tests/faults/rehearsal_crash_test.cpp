/// Method: a standby that does not come to the end of the step that it rehearses keeps a migration
/// there; do the damage to real processes, then judge by what the trainers wrote: every step once,
/// with the losses of an undisturbed run; the job trains within 5 s wherever its trainer lives;
/// nothing is left at the target.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "tests/faults/two_host_scenario.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

class RehearsalCrash : public ::testing::TestWithParam<Damage> {
 protected:
  [[nodiscard]] std::size_t steps() const {
    return static_cast<std::size_t>(std::ranges::count(read_file(log_.string()), '\n'));
  }
  [[nodiscard]] std::string logs() const { return a_.log() + "----\n" + b_.log(); }

  void migrate_into_the_rehearsal() {
    a_.run_job("job", {FORGETFUL, "--steps", "1000000", "--step-ms", "5", "--loss-log",
                       log_.string(), "--finish", end_.string(), "--hangs-ms", "600000"});
    ASSERT_TRUE(within(60s, [&] { return a_.step_of("job") >= 16; })) << a_.log();
    id_ = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none",
                       "--rehearse", "on", "--detach"}),
               "id");
    ASSERT_TRUE(within(60s, [&] {
      return text(a_.ask({"status", id_}).at("progress").as_object(), "phase") == "rehearsal";
    })) << logs();
  }

  void do_damage() {
    switch (GetParam()) {
      case Damage::cancel: (void)a_.ask({"cancel", id_}); return;
      case Damage::kill_source_trainer: kill_jobs_of(a_); return;
      case Damage::kill_standby: kill_jobs_of(b_); return;
      case Damage::kill_both_agents: b_.kill_agent(SIGKILL); [[fallthrough]];
      case Damage::kill_source_agent:
        a_.kill_agent(SIGKILL);
        a_.start_agent();
        return;
      case Damage::kill_target_agent: b_.kill_agent(SIGKILL); return;
      default: FAIL() << "not of this matrix";
    }
  }
  static void kill_jobs_of(const Host& host) {
    const auto processes = processes_of(host.dir());
    EXPECT_FALSE(processes.empty());
    for (const int pid : processes) ::kill(pid, SIGKILL);
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  std::filesystem::path log_ = dir_.path() / "losses";
  std::filesystem::path end_ = dir_.path() / "end";
  std::string id_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_P(RehearsalCrash, LeavesTheJobToTrainWhereItIs) {
  migrate_into_the_rehearsal();
  do_damage();
  if (GetParam() == Damage::kill_source_trainer) {
    EXPECT_TRUE(within(10s, [&] { return text(a_.job("job"), "state") == "failed"; })) << logs();
  } else {
    const auto from = steps();
    EXPECT_TRUE(within(5s, [&] { return steps() > from + 2; })) << logs();
  }
  EXPECT_TRUE(within(25s, [&] { return state_of(a_, id_) == "aborted"; })) << logs();
  EXPECT_TRUE(within(20s, [&] { return processes_of(b_.dir()).empty(); })) << logs();
  if (GetParam() != Damage::kill_source_trainer) {
    std::ofstream(end_).put('\n');
    ASSERT_TRUE(a_.ended_within("job", 60s)) << logs();
  }
  const std::vector<std::string> alone{
      FORGETFUL, "--steps",
      std::to_string(std::ranges::count(losses(log_), '\n') -
                     (GetParam() == Damage::kill_source_trainer ? 0 : 1))};
  const auto expected = undisturbed(alone);
  EXPECT_EQ(losses(log_), GetParam() == Damage::kill_source_trainer
                              ? expected.substr(0, expected.find("digest"))
                              : expected);
}

INSTANTIATE_TEST_SUITE_P(All, RehearsalCrash,
                         ::testing::Values(Damage::cancel, Damage::kill_source_trainer,
                                           Damage::kill_standby, Damage::kill_source_agent,
                                           Damage::kill_target_agent, Damage::kill_both_agents),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace cardswap::test
