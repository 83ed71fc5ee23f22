/// Method: an agent of root whose health policy names files and programs that others own, or that
/// keep whoever reads them waiting.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/security/held_up.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

class Probes : public HeldUp {
 protected:
  void start_with(const std::string& probes) {
    std::ofstream(dir_.path() / "policy") << "probes:\n" << probes;
    start_host({"--health-policy", (dir_.path() / "policy").string()});
  }
  [[nodiscard]] static std::string file(const std::string& name, const fs::path& path) {
    return "  - {name: " + name + ", file: " + path.string() + ", every: 50ms}\n";
  }
  [[nodiscard]] static std::string command(const std::string& name, const fs::path& path) {
    return "  - {name: " + name + ", command: [" + path.string() + "], every: 200ms}\n";
  }
  [[nodiscard]] std::string events() const { return host_->command({"events"}).out; }
  [[nodiscard]] bool told(const std::string& what) const {
    return within(10s * kPatience, [&] { return events().find(what) != std::string::npos; });
  }
  /// A program of root's that anybody may run.
  [[nodiscard]] fs::path script(const std::string& name, const std::string& text) const {
    auto path = dir_.path() / name;
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    fs::permissions(path, fs::perms(0755));
    return path;
  }
};

TEST_F(Probes, OfFilesThatHoldTheirReaderUpSayWhyAndTheAgentAnswersOn) {
  const auto pipe = hers_ / "pipe";
  const auto leased = hers_ / "leased";
  const auto link = hers_ / "link";
  const auto second = hers_ / "second";
  const auto secret = dir_.path() / "secret";
  std::ofstream(secret) << "1 hunter2\n";
  fs::permissions(secret, fs::perms(0600));
  std::ofstream(leased) << "0 well\n";
  ASSERT_EQ(::chown(leased.c_str(), mallory_->uid(), mallory_->gid()), 0);
  ASSERT_EQ(mallory_->does([&] {
    return ::mkfifo(pipe.c_str(), 0644) == 0 && ::symlink(secret.c_str(), link.c_str()) == 0 ? 0
                                                                                             : 1;
  }),
            0);
  fs::create_hard_link(secret, second);
  const Lease lease(*mallory_, leased);
  ASSERT_TRUE(lease.held());
  start_with(file("pipe", pipe) + file("leased", leased) + file("link", link) +
             file("second", second));
  EXPECT_TRUE(told("pipe is no regular file"));
  EXPECT_TRUE(told("somebody holds a lease on " + leased.string()));
  EXPECT_TRUE(told("link is a link"));
  EXPECT_TRUE(told("second is not shown"));
  const auto asked = Clock::now();
  const auto said = events();
  EXPECT_LT(Clock::now() - asked, kAtOnce);
  EXPECT_THAT(said, Not(HasSubstr("hunter2")));
}

TEST_F(Probes, OfProgramsThatOthersMayChangeAreNotRunAsRoot) {
  const auto mark = dir_.path() / "ran";
  const auto hers = script("hers.sh", "touch " + mark.string());
  ASSERT_EQ(::chown(hers.c_str(), mallory_->uid(), mallory_->gid()), 0);
  const auto open = script("open.sh", "touch " + mark.string());
  fs::permissions(open, fs::perms(0777));
  start_with(command("hers", hers) + command("open", open));
  EXPECT_TRUE(told("hers.sh is not run as root"));
  EXPECT_TRUE(told("open.sh is not run as root"));
  EXPECT_FALSE(fs::exists(mark));
}

TEST_F(Probes, LeaveNothingRunningBehind) {
  const auto marker = std::to_string(20'000 + ::getpid());
  start_with(command("quiet", script("quiet.sh", "sleep " + marker + " >/dev/null & exit 0")) +
             command("open", script("open.sh", "sleep " + marker + " & echo well; exit 1")) +
             "  - {name: slow, command: [" + script("slow.sh", "sleep " + marker).string() +
             "], every: 100ms, timeout: 100ms}\n");
  EXPECT_TRUE(told("probe_failed:slow"));
  EXPECT_TRUE(told("probe:open")) << "its child holds its output";
  const auto left = [&] {
    const auto zombies = run({"ps", "--ppid", std::to_string(host_->agent_pid()), "-o", "stat="});
    return std::count(zombies.out.begin(), zombies.out.end(), 'Z');
  };
  const auto begun = Clock::now();
  std::ptrdiff_t most = 0;
  while (Clock::now() - begun < 2s) most = std::max(most, left());
  EXPECT_LE(most, 3) << "each that has ended is waited for";
  host_.reset();
  EXPECT_EQ(run({"pgrep", "-f", "sleep " + marker}).out, "");
}

TEST_F(Probes, OfAProgramWhoseInterpreterIsLeasedHoldNobodyElseUp) {
  const auto probe = dir_.path() / "probe";
  std::ofstream(probe) << "#!" << program_.string() << "\n";
  fs::permissions(probe, fs::perms(0755));
  const Lease lease(*mallory_, program_);
  ASSERT_TRUE(lease.held());
  start_with("  - {name: held, command: [" + probe.string() + "], every: 1s, timeout: 1s}\n");
  auto failed = std::async(std::launch::async, [this] { return told("no answer within 1000 ms"); });
  EXPECT_LT(slowest_answer_during(failed), kAtOnce);
  EXPECT_TRUE(failed.get());
}

}  // namespace
}  // namespace cardswap::test
