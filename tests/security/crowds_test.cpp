/// Method: users of this machine hold eleven hundred connections to every socket of an agent that
/// has 1024 descriptors, say nothing and come again whenever they are dropped. Meanwhile whoever
/// has business there is timed.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <cstring>
#include <sstream>
#include <thread>

#include "agent/base/task_group.h"
#include "agent/http/client.h"
#include "agent/security/identity.h"
#include "agent/security/tls_context.h"
#include "migrator/wire/runtime_messages.h"
#include "tests/security/users.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/raw_client.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr int kConnections = 1100;
constexpr std::size_t kDescriptors = 1024;
constexpr std::size_t kMemoryMax = 100U << 20;

int connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

int connect_to(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return fd;
}

/// Silent connections of one user, in a process of its own, until the end of its scope.
class Silent {
 public:
  Silent(const LocalUser& user, const std::function<int()>& connect)
      : made_(static_cast<std::atomic<int>*>(::mmap(nullptr, sizeof(std::atomic<int>),
                                                    PROT_READ | PROT_WRITE,
                                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    pid_ = ::fork();
    if (pid_ == 0) hold(user, connect, *made_);
  }
  ~Silent() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(made_, sizeof(*made_));
  }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  /// How many connections were made, those that were made again included.
  [[nodiscard]] int made() const { return *made_; }

 private:
  [[noreturn]] static void hold(const LocalUser& user, const std::function<int()>& connect,
                                std::atomic<int>& made) {
    constexpr int kAgainAtOnce = 100;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit wide{4096, 4096};
    ::setrlimit(RLIMIT_NOFILE, &wide);
    ::setsid();
    if (::initgroups(user.name().c_str(), user.gid()) != 0 || ::setgid(user.gid()) != 0 ||
        ::setuid(user.uid()) != 0) {
      ::_exit(1);
    }
    std::vector<pollfd> fds(kConnections, {-1, POLLIN, 0});
    for (int most = kConnections; true; most = kAgainAtOnce) {
      for (auto& fd : fds) {
        if (fd.fd < 0 && most-- > 0 && (fd.fd = connect()) >= 0) ++made;
      }
      ::poll(fds.data(), fds.size(), 20);
      for (auto& fd : fds) {
        char byte = 0;
        if (fd.fd < 0 || fd.revents == 0 || ::recv(fd.fd, &byte, 1, MSG_DONTWAIT) > 0) continue;
        ::close(fd.fd);
        fd.fd = -1;
      }
    }
  }

  std::atomic<int>* made_;  // shared with that process
  pid_t pid_ = -1;
};

std::size_t descriptors_of(int pid) {
  std::error_code gone;
  std::size_t count = 0;
  for (std::filesystem::directory_iterator entry(fmt::format("/proc/{}/fd", pid), gone), end;
       !gone && entry != end; entry.increment(gone)) {
    ++count;
  }
  return count;
}

std::size_t resident_bytes(int pid) {
  std::istringstream pages(read_file(fmt::format("/proc/{}/statm", pid)));
  std::size_t total = 0;
  std::size_t resident = 0;
  pages >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Calls that wait for what never comes, of one caller, until the end of its scope.
class Polls {
 public:
  Polls(const http::Endpoint& at, const tls::Files* files, int count) {
    if (files != nullptr) tls::Identity::use(context_, tls::client_context(*files));
    for (int i = 0; i < count; ++i) tasks_.spawn("a poll", poll(at));
    thread_ = std::jthread([this] { context_.run(); });
  }
  ~Polls() {
    boost::asio::post(context_, [this] { tasks_.stop(); });
  }
  Polls(const Polls&) = delete;
  Polls& operator=(const Polls&) = delete;
  /// How many were told to come again later.
  [[nodiscard]] int refused() const { return refused_; }

 private:
  boost::asio::awaitable<void> poll(http::Endpoint at) {
    http::Request request;
    request.target = "/v1/events?after=999999&wait_ms=60000";
    request.timeout = 60s;
    const auto answer = co_await http::exchange(std::move(at), std::move(request));
    if (answer.status == 503) ++refused_;
  }

  std::atomic<int> refused_{0};
  boost::asio::io_context context_;
  TaskGroup tasks_{context_};
  std::jthread thread_;
};

class Crowds : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
    people_ = std::make_unique<People>();
    auto more = FleetCertificates::options(fleet_.issue(ApiRole::agent, "a", {"127.0.0.1"}));
    more.insert(more.end(),
                {"--job-user", people_->trainer.name(), "--api-group", people_->api.name()});
    a_ = std::make_unique<Host>(dir_.path() / "a", HostOptions{.name = "a", .more = more});
    const rlimit narrow{kDescriptors, kDescriptors};
    ASSERT_EQ(::prlimit(a_->agent_pid(), RLIMIT_NOFILE, &narrow, nullptr), 0);
    program_ = dir_.path() / "plain_memory";
    std::filesystem::copy_file(trainer("plain_memory"), program_);
    std::filesystem::permissions(program_, std::filesystem::perms(0755));
  }
  [[nodiscard]] std::filesystem::path runtime_socket() const { return a_->dir() / "runtime.sock"; }
  /// The quickest of three: the machine may be busy with other things.
  template <class Ask>
  static std::chrono::milliseconds quickest(Ask ask) {
    std::chrono::milliseconds best = 1min;
    for (int times = 0; times < 3; ++times) {
      const auto begun = Clock::now();
      EXPECT_EQ(ask().status, 200U);
      best = std::min(best,
                      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun));
    }
    return best;
  }
  void expect_everybody_is_served(const std::string& crowd) {
    const HttpRequest jobs{.target = "/v1/jobs"};
    EXPECT_LT(quickest([&] { return ask_over_unix(*a_, jobs); }), 1s * kPatience) << crowd;
    EXPECT_LT(quickest([&] { return ask_over_tls(*a_, viewer_, jobs); }), 1s * kPatience) << crowd;
    (void)a_->ask({"run", "--name", "job", "--cwd", "/", "--", program_.string(), "--steps",
                   "100000", "--step-ms", "5"});
    EXPECT_TRUE(within(10s, [&] { return a_->step_of("job") >= 3; })) << crowd;
    EXPECT_LT(descriptors_of(a_->agent_pid()), kDescriptors - 100) << crowd;
    EXPECT_LT(resident_bytes(a_->agent_pid()), kMemoryMax * kPatience) << crowd;
    (void)a_->ask({"stop", "job"});
  }

  struct People {
    LocalGroup api;
    LocalUser stranger;
    LocalUser trainer;
    LocalUser member{{api.name()}};
  };
  TempDir dir_;
  FleetCertificates fleet_;
  tls::Files viewer_ = fleet_.issue(ApiRole::viewer, "victor");
  std::unique_ptr<People> people_;
  std::unique_ptr<Host> a_;
  std::filesystem::path program_;
};

TEST_F(Crowds, KeepNobodyOutAtTheApi) {
  const auto path = a_->dir() / "cardswapd.sock";
  const Silent at_path(people_->member, [&] { return connect_to(path); });
  const Silent at_port(people_->stranger, [&] { return connect_to(a_->port()); });
  ASSERT_TRUE(within(10s, [&] { return descriptors_of(a_->agent_pid()) > 500; }));
  expect_everybody_is_served("API");
}

TEST_F(Crowds, OfOneCallersLongPollsAreThatCallersLoss) {
  constexpr int kPolls = 300;  // more than the agent answers at a time
  constexpr int kRefused = kPolls - 32;
  const auto op = fleet_.issue(ApiRole::operator_, "olga");
  const Polls polls(http::Endpoint::tcp("127.0.0.1", static_cast<std::uint16_t>(a_->port())),
                    &viewer_, kPolls);
  EXPECT_TRUE(within(30s, [&] { return polls.refused() >= kRefused; })) << polls.refused();
  for (const auto* target : {"/healthz", "/v1/jobs"}) {
    EXPECT_LT(quickest([&] { return ask_over_tls(*a_, op, {.target = target}); }), 1s * kPatience)
        << target;
  }
  const auto refused = ask_over_tls(*a_, viewer_, {.target = "/v1/jobs"});
  EXPECT_EQ(refused.status, 503U);
  EXPECT_THAT(boost::json::serialize(refused.body), HasSubstr("victor"));
  EXPECT_EQ(polls.refused(), kRefused) << "those that were let in still wait";
}

TEST_F(Crowds, OfRefusedRuntimesFillNoLog) {
  constexpr int kRefused = 300;
  const std::string name = "\x1b[31m" + std::string(900, 'n');
  const auto hello = channel::encode(channel::Hello{
      .job = name, .token = "made up", .pid = 1, .runtime_version = "1", .framework = "none"});
  const std::string bytes(reinterpret_cast<const char*>(hello.data()), hello.size());
  const auto begun = Clock::now();
  for (int i = 0; i < kRefused; ++i) {
    auto runtime = RawClient::at_path(runtime_socket());
    runtime.say(bytes);
    ASSERT_TRUE(within(5s, [&] { return runtime.was_closed(); }));
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun);
  // What was not written is counted, so that nothing is hidden.
  const auto told = [&] {
    int sum = 0;
    std::istringstream lines(a_->log());
    for (std::string line; std::getline(lines, line);) {
      if (line.find("a runtime was refused") != std::string::npos) ++sum;
      const auto more = line.find(" more runtimes were refused");
      if (more != std::string::npos) sum += std::stoi(line.substr(line.rfind(' ', more - 1)));
    }
    return sum;
  };
  EXPECT_TRUE(within(15s, [&] { return told() >= kRefused; })) << a_->log();
  EXPECT_EQ(told(), kRefused);
  const auto log = a_->log();
  std::size_t lines = 0;
  for (auto at = log.find(" refused"); at != std::string::npos; at = log.find(" refused", at + 1)) {
    ++lines;
  }
  EXPECT_LE(lines, 17 * (static_cast<std::size_t>(seconds.count()) / 10 + 1));
  EXPECT_THAT(log, HasSubstr("\\x1b[31mnnn"));
  EXPECT_EQ(log.find(std::string(64, 'n')), std::string::npos);
}

TEST_F(Crowds, KeepNobodyOutAtTheRuntimesSocket) {
  const Silent strangers(people_->stranger, [&] { return connect_to(runtime_socket()); });
  const Silent of_its_user(people_->trainer, [&] { return connect_to(runtime_socket()); });
  ASSERT_TRUE(within(
      20s, [&] { return strangers.made() >= kConnections && of_its_user.made() >= kConnections; }))
      << strangers.made() << " and " << of_its_user.made();
  expect_everybody_is_served("runtimes' socket");
  EXPECT_LT(descriptors_of(a_->agent_pid()), 200U);
}

/// A job's own processes: what they do is that job's loss.
TEST_F(Crowds, OfAJobKeepNoOtherJobOut) {
  (void)a_->ask({"run", "--name", "greedy", "--cwd", "/", "--", "/usr/bin/python3", "-c",
                 "import os, resource, socket, time\n"
                 "resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n"
                 "held = []\n"
                 "while True:\n"
                 "  while len(held) < 1100:\n"
                 "    s = socket.socket(socket.AF_UNIX); s.connect(os.environ['CARDSWAP_SOCKET'])\n"
                 "    held.append(s)\n"
                 "  print('all', flush=True); time.sleep(0.1); held = held[100:]\n"});
  const auto log = (a_->dir() / "jobs/greedy/log").string();
  ASSERT_TRUE(within(20s, [&] { return read_file(log).find("all") != std::string::npos; }))
      << read_file(log);
  expect_everybody_is_served("a job");
  EXPECT_LT(descriptors_of(a_->agent_pid()), 200U);
}

TEST_F(Crowds, OfFramesThatNeverEndTakeNoMemory) {
  const auto before = resident_bytes(a_->agent_pid());
  std::vector<RawClient> held;
  const std::string start{"\0\0\x10\0", 4};  // a MiB is to come
  for (int i = 0; i < 300; ++i) {
    held.push_back(RawClient::at_path(runtime_socket()));
    held.back().say(start + std::string(100'000, 'x'));
  }
  EXPECT_TRUE(within(10s, [&] {
    return std::all_of(held.begin(), held.end(), [](auto& one) { return one.was_closed(); });
  })) << "too much for a Hello";
  EXPECT_THAT(a_->log(), HasSubstr("a runtime was refused")) << "by its size, not its patience";
  EXPECT_LT(resident_bytes(a_->agent_pid()), before + (20U << 20) * kPatience);
}

TEST_F(Crowds, WhoSaysNothingIsNotWaitedFor) {
  auto silent = RawClient::at_path(runtime_socket());
  EXPECT_TRUE(within(5s, [&] { return silent.was_closed(); }));
}

}  // namespace
}  // namespace cardswap::test
