/// Method: the test is the service manager: it listens on $NOTIFY_SOCKET and reads what an agent
/// says there at its start, while it serves, when it hangs and at its end. The unit that is shipped
/// is given to systemd-analyze.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <future>

#include "tests/support/http.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// The manager's end of $NOTIFY_SOCKET, named in the environment as long as it lives.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, name.data(), name.size());
    const bool abstract = name.starts_with('@');
    if (abstract) at.sun_path[0] = 0;
    const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&at), static_cast<socklen_t>(size)) != 0) {
      throw std::runtime_error(std::string("bind: ") + std::strerror(errno));
    }
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~NotifySocket() {
    for (const auto* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
    ::close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  /// The next datagram within 10 s, or nothing.
  std::string next() {
    std::string text(4096, '\0');
    ssize_t got = -1;
    (void)within(10s, [&] { return (got = ::recv(fd_, text.data(), text.size(), 0)) > 0; });
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }

 private:
  int fd_ = -1;
};

TEST(Service, TellsTheManagerThatItIsReadyAndThatItStops) {
  const TempDir dir;
  for (const auto& name :
       {(dir.path() / "notify").string(), "@cardswap-test-" + std::to_string(::getpid())}) {
    NotifySocket manager(name);
    Host a(dir.path() / "a", {.name = "a"});
    EXPECT_EQ(manager.next(), "READY=1\nSTATUS=0 jobs, 0 migrations under way\n") << name;
    EXPECT_EQ(ask_over_tcp(a, {.target = "/readyz"}).status, 200U) << "it said so";
    a.kill_agent(SIGTERM);
    EXPECT_THAT(manager.next(), StartsWith("STOPPING=1\n")) << name;
  }
}

TEST(Service, DoesNotMindAManagerThatIsGone) {
  const TempDir dir;
  ::setenv("NOTIFY_SOCKET", (dir.path() / "nobody").c_str(), 1);
  Host a(dir.path() / "a", {.name = "a"});
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(ask_over_tcp(a, {.target = "/readyz"}).status, 200U);
}

TEST(Service, KeepsTheManagersSocketFromItsJobs) {
  const TempDir dir;
  NotifySocket manager((dir.path() / "notify").string());
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  Host a(dir.path() / "a", {.name = "a"});
  ::unsetenv("NOTIFY_SOCKET");  // the command passes its own environment on to a job
  ::unsetenv("WATCHDOG_USEC");
  a.run_job("env", {"/usr/bin/env"});
  ASSERT_TRUE(a.ended_within("env", 10s));
  const auto printed = read_file((a.dir() / "jobs/env/log").string());
  EXPECT_THAT(printed, HasSubstr("CARDSWAP_JOB=env"));
  EXPECT_THAT(printed, Not(HasSubstr("NOTIFY_SOCKET")));
  EXPECT_THAT(printed, Not(HasSubstr("WATCHDOG")));
}

/// Method: another program locks the journal, and a request that writes it holds the event loop for
/// the two seconds that it waits for the lock. No heartbeat may come in that time.
TEST(Service, SendsHeartbeatsFromTheEventLoopOnly) {
  const TempDir dir;
  NotifySocket manager((dir.path() / "notify").string());
  ::setenv("WATCHDOG_USEC", "100000", 1);
  Host a(dir.path() / "a", {.name = "a"});
  EXPECT_THAT(manager.next(), StartsWith("READY=1\n"));
  EXPECT_THAT(manager.next(), StartsWith("WATCHDOG=1\nSTATUS=0 jobs"));
  EXPECT_THAT(manager.next(), StartsWith("WATCHDOG=1\n"));

  Child holder({"python3", "-c",
                "import signal, sqlite3, sys\n"
                "db = sqlite3.connect(sys.argv[1])\n"
                "db.execute('BEGIN IMMEDIATE')\n"
                "print('locked', flush=True)\n"
                "signal.pause()\n",
                (a.dir() / "journal.db").string()},
               (dir.path() / "holder.log").string());
  ASSERT_TRUE(
      within(10s, [&] { return !read_file((dir.path() / "holder.log").string()).empty(); }));
  auto asked = std::async(std::launch::async,
                          [&a] { return ask_over_tcp(a, {.target = "/readyz"}).status; });
  Clock::duration longest{};
  auto heard = Clock::now();
  while (asked.wait_for(0s) != std::future_status::ready) {
    EXPECT_FALSE(manager.next().empty());
    longest = std::max(longest, Clock::now() - heard);
    heard = Clock::now();
  }
  EXPECT_EQ(asked.get(), 503U);
  EXPECT_GT(longest, 1s);
  holder.kill(SIGKILL);
  EXPECT_THAT(manager.next(), StartsWith("WATCHDOG=1\n")) << "and it goes on";
}

TEST(Service, AnotherProcessesWatchdogIsNotOurs) {
  const TempDir dir;
  NotifySocket manager((dir.path() / "notify").string());
  ::setenv("WATCHDOG_USEC", "10000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  Host a(dir.path() / "a", {.name = "a"});
  EXPECT_THAT(manager.next(), StartsWith("READY=1\n"));
  EXPECT_EQ(ask_over_tcp(a, {.target = "/readyz"}).status, 200U);
  a.kill_agent(SIGTERM);
  EXPECT_THAT(manager.next(), StartsWith("STOPPING=1\n")) << "no heartbeat before it";
}

TEST(Service, LogsJobAndMigrationAsFields) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .more = {"--log-format", "json"}});
  Host b(dir.path() / "b", {.name = "b", .more = {"--log-format", "json"}});
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));
  const auto id = text(a.ask({"migrate", "job", "--to", b.at("cpu:0")}), "id");
  for (const auto* host : {&a, &b}) {
    std::istringstream lines(host->log());
    int about_the_job = 0;
    int about_the_migration = 0;
    for (std::string line; std::getline(lines, line);) {
      const auto entry = boost::json::parse(line).as_object();
      EXPECT_FALSE(text(entry, "message").empty());
      about_the_job += text(entry, "job") == "job" ? 1 : 0;
      about_the_migration += text(entry, "migration") == id ? 1 : 0;
    }
    EXPECT_GT(about_the_job, 0) << host->log();
    EXPECT_GT(about_the_migration, 2) << host->log();
  }
}

TEST(Service, UnitIsCleanBySystemd) {
  if (run({"systemd-analyze", "--version"}).exit_code != 0) {
    return skip_without("systemd", "systemd-analyze is not there");
  }
  // The unit names the installed program; here it is the built one.
  const TempDir dir;
  const auto unit = (dir.path() / "cardswapd.service").string();
  ASSERT_EQ(
      run({"sh", "-c",
           "sed 's#/usr/bin/cardswapd#" CARDSWAPD "#' " PACKAGING "/systemd/cardswapd.service >" +
               unit})
          .exit_code,
      0);
  const auto checked = run({"systemd-analyze", "verify", "--man=no", unit});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_EQ(checked.out + checked.err, "");
}

}  // namespace
}  // namespace cardswap::test
