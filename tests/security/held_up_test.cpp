/// Method: an agent of root, and a user who holds up whoever opens the user's files: by a lease, by
/// a pipe that nobody writes to. Each is tried where the agent opens or starts what users own.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <future>
#include <stdexcept>

#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/memory_trap.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"
#include "tests/support/served_folder.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

/// A process of `user` that holds a write lease on `file`, which is the user's, and gives it up for
/// nobody: whoever opens the file waits for as long as the kernel lets a holder keep others
/// waiting.
class Lease {
 public:
  Lease(const LocalUser& user, const fs::path& file) {
    std::array<int, 2> ready{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGIO, SIG_IGN);
      const bool is_user = ::setgid(user.gid()) == 0 && ::setuid(user.uid()) == 0;
      const int fd = ::open(file.c_str(), O_RDONLY);
      const char held = is_user && ::fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? 'y' : 'n';
      (void)!::write(ready[1], &held, 1);
      while (true) ::pause();
    }
    char held = 0;
    (void)!::read(ready[0], &held, 1);
    ::close(ready[0]);
    ::close(ready[1]);
    held_ = held == 'y';
  }
  ~Lease() {
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  pid_t pid_ = -1;
  bool held_ = false;
};

class HeldUp : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    fs::permissions(dir_.path(), fs::perms(0755));
    mallory_ = std::make_unique<LocalUser>();
    fs::create_directory(hers_);
    ASSERT_EQ(::chown(hers_.c_str(), mallory_->uid(), mallory_->gid()), 0);
    fs::copy_file("/bin/sleep", program_);
    ASSERT_EQ(::chown(program_.c_str(), mallory_->uid(), mallory_->gid()), 0);
  }
  void start_host(std::vector<std::string> more = {}) {
    host_ = std::make_unique<Host>(dir_.path() / "a",
                                   HostOptions{.name = "a", .more = std::move(more)});
  }
  [[nodiscard]] std::vector<std::string> her_job(const std::string& name) const {
    return {"run", "--name", name, "--user", mallory_->name(), "--", program_.string(), "1000"};
  }
  /// How long the agent took for an answer, the longest of those that were asked for while `busy`.
  template <class Result>
  [[nodiscard]] std::chrono::milliseconds slowest_answer_during(std::future<Result>& busy) const {
    Clock::duration slowest{};
    do {
      const auto asked = Clock::now();
      EXPECT_EQ(host_->command({"version"}).exit_code, 0);
      slowest = std::max(slowest, Clock::now() - asked);
    } while (busy.wait_for(50ms) != std::future_status::ready);
    return std::chrono::duration_cast<std::chrono::milliseconds>(slowest);
  }

  TempDir dir_;
  fs::path hers_ = dir_.path() / "hers";
  fs::path program_ = hers_ / "program";
  std::unique_ptr<LocalUser> mallory_;
  std::unique_ptr<Host> host_;
};

constexpr auto kAtOnce = 2s * kPatience;

/// 0: there is none, or there are several.
pid_t only_child_of(pid_t parent) {
  std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", parent));
  pid_t child = 0;
  pid_t second = 0;
  return list >> child && !(list >> second) ? child : 0;
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
    parent = only_child_of(host_->agent_pid());
    program = parent == 0 ? 0 : only_child_of(parent);
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
  EXPECT_EQ(text(host_->job("long"), "state"), "running");
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
  EXPECT_EQ(text(host_->job("two"), "state"), "running");
}

TEST_F(HeldUp, ByAFileThatItHasOpenAJobIsNotExaminedAndTheAgentAnswersMeanwhile) {
  if (const auto missing = ServedFolder::missing()) return skip_without("fuse", *missing);
  ServedFolder folder;
  start_host();
  host_->run_job("reader", {"/bin/sh", "-c",
                            fmt::format("exec 3<{}; exec {} --steps 1000000 --step-ms 20",
                                        folder.file().string(), trainer("plain_memory"))});
  ASSERT_TRUE(within(20s, [&] { return host_->step_of("reader") >= 2; })) << host_->log();
  folder.fall_silent();
  auto asked = std::async(std::launch::async, [this] {
    return host_->command(
        {"migrate", "reader", "--to", host_->at("cpu:0"), "--arrive", "criu", "--dry-run"});
  });
  EXPECT_LT(slowest_answer_during(asked), kAtOnce);
  const auto refused = asked.get();
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err + refused.out,
              HasSubstr("the processes of the job could not be looked at within 5 s"));
  EXPECT_TRUE(host_->steps_again_within("reader", 5s));
}

// ---- what the health policy names

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
