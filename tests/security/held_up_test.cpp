/// Method: an agent of root, and a user who holds up whoever opens the user's files. Each is tried
/// where the agent starts what users own.

#include "tests/security/held_up.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "agent/process/process_tree.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// The child of `agent` that is the parent of a job's program; 0: there is none yet.
pid_t parent_below(pid_t agent) {
  for (const auto child : children_of(agent)) {
    const auto line = read_file(fmt::format("/proc/{}/cmdline", child));
    if (line.find("cardswap-init") != std::string::npos &&
        line.find("supervise") != std::string::npos) {
      return child;
    }
  }
  return 0;
}

/// It sleeps, and has a socket.
bool waits_for_an_answer(pid_t process) {
  std::string word;
  std::ifstream stat(fmt::format("/proc/{}/stat", process));
  stat >> word >> word >> word;
  bool has_socket = false;
  std::error_code gone;
  for (const auto& fd : fs::directory_iterator(fmt::format("/proc/{}/fd", process), gone)) {
    has_socket = has_socket || fs::read_symlink(fd.path(), gone).string().starts_with("socket:");
  }
  return word == "S" && has_socket;
}

TEST_F(HeldUp, ByALeaseOnItsProgramAJobIsRefusedAndTheAgentAnswersMeanwhile) {
  start_host();
  const Lease lease(*mallory_, program_);
  ASSERT_TRUE(lease.held());
  std::vector<std::future<Outcome>> starts;
  for (const auto* name : {"one", "two", "three"}) {
    starts.push_back(
        std::async(std::launch::async, [this, name] { return host_->command(her_job(name)); }));
  }
  EXPECT_LT(slowest_answer_during(starts.front()), kAtOnce);
  EXPECT_EQ(host_->command({"run", "--name", "other", "--", "/bin/sleep", "1000"}).exit_code, 0);
  for (auto& start : starts) {
    const auto refused = start.get();
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err, AllOf(HasSubstr(program_.string() + ": it could not be opened within"),
                                   HasSubstr("may hold a lease")));
  }
  EXPECT_EQ(run({"pgrep", "-u", mallory_->name(), "-f", "cardswap-init"}).out, "");
  EXPECT_EQ(host_->command({"stop", "--grace", "0s", "other"}).exit_code, 0);
  EXPECT_EQ(host_->leftovers(), "");
}

TEST_F(HeldUp, ByALeaseOnItsProgramAJobThatIsStartedAgainHoldsNothingElseUp) {
  std::ofstream(program_) << "#!/bin/sh\nwhile [ ! -e " << (hers_ / "end").string()
                          << " ]; do sleep 0.1; done\nexit 3\n";
  start_host();
  auto wanted = her_job("again");
  wanted.insert(wanted.begin() + 1, {"--restart", "on-failure"});
  ASSERT_EQ(host_->command(wanted).exit_code, 0);
  const auto fresh = hers_ / "fresh";
  fs::copy_file("/bin/sleep", fresh);
  ASSERT_EQ(::chown(fresh.c_str(), mallory_->uid(), mallory_->gid()), 0);
  fs::rename(fresh, program_);
  const Lease lease(*mallory_, program_);
  ASSERT_TRUE(lease.held());
  std::ofstream(hers_ / "end") << "now\n";
  auto failed = std::async(std::launch::async, [this] {
    return within(20s, [&] { return text(host_->job("again"), "state") == "failed"; });
  });
  EXPECT_LT(slowest_answer_during(failed), kAtOnce);
  EXPECT_TRUE(failed.get());
  EXPECT_THAT(host_->command({"-o", "json", "jobs"}).out, HasSubstr("could not be started again"));
}

TEST_F(HeldUp, ByNobodyAProgramThatSpeaksBeforeItsParentIsHeardAfterIt) {
  const auto early = hers_ / "early";
  fs::copy_file(trainer("plain_memory"), early);
  ASSERT_EQ(::chown(early.c_str(), mallory_->uid(), mallory_->gid()), 0);
  start_host();
  auto lease = std::make_unique<Lease>(*mallory_, early);
  ASSERT_TRUE(lease->held());
  auto start = std::async(std::launch::async, [&] {
    return host_->command({"run", "--name", "early", "--user", mallory_->name(), "--",
                           early.string(), "--steps", "1000000", "--step-ms", "20"});
  });
  pid_t parent = 0;
  pid_t program = 0;
  ASSERT_TRUE(within(4s, [&] {
    parent = parent_below(host_->agent_pid());
    const auto children = parent == 0 ? std::vector<pid_t>() : children_of(parent);
    if (children.size() == 1) program = children.front();
    return program != 0;
  }));
  ASSERT_EQ(::kill(parent, SIGSTOP), 0);
  lease.reset();
  EXPECT_TRUE(within(4s, [&] { return waits_for_an_answer(program); }));
  for (int turns = 0; turns < 3; ++turns) EXPECT_EQ(host_->command({"version"}).exit_code, 0);
  EXPECT_EQ(start.wait_for(0s), std::future_status::timeout) << "its parent has not told of it";
  EXPECT_TRUE(waits_for_an_answer(program)) << host_->log();
  ASSERT_EQ(::kill(parent, SIGCONT), 0);
  EXPECT_EQ(start.get().exit_code, 0);
  EXPECT_TRUE(within(10s, [&] { return host_->step_of("early") >= 2; })) << host_->log();
}

}  // namespace
}  // namespace cardswap::test
