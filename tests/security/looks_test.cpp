/// Method: an agent of root, and a user whose processes, files and memory answer nobody, or who
/// stops what the agent does in the user's name. Each is tried where the agent looks at them.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>

#include "agent/process/process_tree.h"
#include "tests/security/held_up.h"
#include "tests/support/memory_trap.h"
#include "tests/support/served_folder.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST_F(HeldUp, ByNobodyWhoHasNoJobAnAgentSeesJobsEndAndStartsAnew) {
  if (const auto missing = MemoryTrap::missing()) return skip_without("fuse", *missing);
  const LocalUser stranger;
  const MemoryTrap trap(stranger.uid());
  ASSERT_NE(trap.pid(), 0);
  start_host();
  auto end = std::async(std::launch::async, [this] {
    return host_->command({"run", "--name", "short", "--", "/bin/true"}).exit_code == 0 &&
           host_->ended_within("short", 10s);
  });
  EXPECT_LT(slowest_answer_during(end), kAtOnce);
  EXPECT_TRUE(end.get());
  EXPECT_EQ(host_->command(her_job("long")).exit_code, 0);
  host_->kill_agent(SIGKILL);
  host_->start_agent();
  EXPECT_EQ(text(host_->job("long"), "state"), "starting") << "it is here, and attaches to nobody";
  EXPECT_EQ(host_->command({"stop", "--grace", "0s", "long"}).exit_code, 0);
  EXPECT_EQ(host_->log().find("could not be read in time"), std::string::npos);
}

TEST_F(HeldUp, ByMemoryOfItsOwnUserAJobEndsAndTheAgentSaysWhoKeptItWaiting) {
  if (const auto missing = MemoryTrap::missing()) return skip_without("fuse", *missing);
  start_host();
  ASSERT_EQ(host_->command(her_job("one")).exit_code, 0);
  ASSERT_EQ(host_->command(her_job("two")).exit_code, 0);
  const MemoryTrap trap(mallory_->uid());
  ASSERT_NE(trap.pid(), 0);
  auto stop = std::async(std::launch::async, [this] {
    return host_->command({"stop", "--grace", "0s", "one"}).exit_code;
  });
  EXPECT_LT(slowest_answer_during(stop), kAtOnce);
  EXPECT_EQ(stop.get(), 0);
  EXPECT_THAT(host_->log(), HasSubstr(fmt::format("the environment of process {}", trap.pid())));
  host_->kill_agent(SIGKILL);
  host_->start_agent();
  EXPECT_EQ(text(host_->job("two"), "state"), "starting") << "it is here, and attaches to nobody";
}

/// A process of `user` that stops whatever the agent does in its name, at once.
class Stopper {
 public:
  Stopper(const LocalUser& user, pid_t agent) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    if (::setgid(user.gid()) != 0 || ::setuid(user.uid()) != 0) ::_exit(1);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) {
      for (const auto child : children_of(agent)) ::kill(child, SIGSTOP);
    }
  }
  ~Stopper() {
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;

 private:
  pid_t pid_ = -1;
};

TEST_F(HeldUp, BySignalsOfItsUserALookOfTheAgentIsGivenUpAndTheAgentAnswersMeanwhile) {
  const auto program = hers_ / "trainer";
  fs::copy_file(trainer("plain_memory"), program);
  ASSERT_EQ(::chown(program.c_str(), mallory_->uid(), mallory_->gid()), 0);
  start_host_with_two_devices();
  ASSERT_EQ(host_
                ->command({"run", "--name", "one", "--user", mallory_->name(), "--",
                           program.string(), "--steps", "1000000", "--step-ms", "20"})
                .exit_code,
            0);
  ASSERT_TRUE(within(20s, [&] { return host_->step_of("one") >= 2; })) << host_->log();
  const auto look = [this] {
    return host_->command({"migrate", "one", "--to", host_->at("cpu:1"), "--dry-run"});
  };
  EXPECT_EQ(look().exit_code, 0);
  {
    const Stopper stopper(*mallory_, host_->agent_pid());
    for (int i = 0; i < 4; ++i) {
      auto asked = std::async(std::launch::async, look);
      EXPECT_LT(slowest_answer_during(asked), kAtOnce);
      const auto found = asked.get();
      if (found.exit_code == 0) continue;  // it was quicker
      EXPECT_THAT(found.err + found.out, HasSubstr("it could not be opened within"));
    }
  }
  EXPECT_EQ(look().exit_code, 0);
  const auto children = run({"ps", "--ppid", std::to_string(host_->agent_pid()), "-o", "stat="});
  EXPECT_EQ(children.out.find_first_of("ZT"), std::string::npos) << children.out;
}

TEST_F(HeldUp, ByAFileThatItHasOpenAJobIsNotExaminedAndTheAgentAnswersMeanwhile) {
  if (const auto missing = ServedFolder::missing()) return skip_without("fuse", *missing);
  ServedFolder folder;
  start_host_with_two_devices();
  host_->run_job("reader", {"/bin/sh", "-c",
                            fmt::format("exec 3<{}; exec {} --steps 1000000 --step-ms 20",
                                        folder.file().string(), trainer("plain_memory"))});
  ASSERT_TRUE(within(20s, [&] { return host_->step_of("reader") >= 2; })) << host_->log();
  folder.fall_silent();
  auto asked = std::async(std::launch::async, [this] {
    return host_->command(
        {"migrate", "reader", "--to", host_->at("cpu:1"), "--arrive", "criu", "--dry-run"});
  });
  EXPECT_LT(slowest_answer_during(asked), kAtOnce);
  const auto refused = asked.get();
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err + refused.out,
              HasSubstr("the processes of the job could not be looked at within 5 s"));
  EXPECT_TRUE(host_->steps_again_within("reader", 5s));
}

}  // namespace
}  // namespace cardswap::test
