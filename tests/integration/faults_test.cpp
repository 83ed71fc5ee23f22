/// Method: what no migration is under way for: a job that is stopped or killed, agents that are
/// restarted, and a link that is slow. What breaks in the middle of a migration is in tests/faults.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> program() {
  return {trainer("plain_memory"), "--steps", "700", "--bytes", "4194304", "--step-ms", "8"};
}

TEST(AJob, ThatSomebodyStoppedIsStoppedAndOneThatWasKilledHasFailed) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  for (const auto* name : {"stopped", "killed"}) {
    a.run_job(name, program());
    ASSERT_TRUE(within(10s, [&] { return a.step_of(name) >= 1; }));
  }
  (void)a.ask({"stop", "stopped"});
  EXPECT_EQ(text(a.job("stopped"), "state"), "stopped");
  ::kill(static_cast<int>(number(a.job("killed"), "pid")), SIGKILL);
  ASSERT_TRUE(a.ended_within("killed", 5s));
  EXPECT_EQ(text(a.job("killed"), "state"), "failed");
}

TEST(AgentRestart, DoesNotTouchItsJobsAndFindsThemAgain) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const auto log = dir.path() / "losses";
  auto argv = program();
  argv.insert(argv.end(), {"--loss-log", log.string()});
  a.run_job("job", argv);
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  for (const int signal : {SIGTERM, SIGKILL}) {
    a.kill_agent(signal);
    a.start_agent();
    EXPECT_TRUE(a.steps_again_within("job", 5s)) << a.log();
  }
  EXPECT_EQ(text(a.ask({"migrate", "job", "--to", b.at("cpu:0")}), "result"), "ok");
  b.kill_agent(SIGKILL);
  b.start_agent();
  ASSERT_TRUE(b.ended_within("job", 30s));
  EXPECT_EQ(losses(log), undisturbed(program()));
}

/// Method: reads what the interface has sent, twice. A busy machine may send less than the cap lets
/// it, never more.
TEST(TwoHosts, MoveAJobOverALimitedLinkAndKeepTheCap) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  NetnsPair net;
  net.limit("200mbit");
  const TempDir dir;
  const auto options = [&](int side, const std::string& name) {
    return HostOptions{.name = name,
                       .netns = net.name(side),
                       .address = NetnsPair::address(side),
                       .transports = "tcp"};
  };
  Host a(dir.path() / "a", options(0, "a"));
  Host b(dir.path() / "b", options(1, "b"));
  const std::vector<std::string> job{
      trainer("plain_memory"), "--steps", "900",       "--bytes", "50331648",
      "--dirty-share",         "0.9",     "--step-ms", "10"};
  const auto log = dir.path() / "losses";
  auto argv = job;
  argv.insert(argv.end(), {"--loss-log", log.string()});
  a.run_job("job", argv);
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  constexpr double kCap = 12.0 * 1048576;
  const auto id = text(a.ask({"migrate", "job", "--to", b.at("cpu:0"), "--bandwidth", "12MiB/s",
                              "--max-downtime", "none", "--detach"}),
                       "id");
  const auto sent = [&] { return static_cast<double>(net.bytes_sent(0)); };
  ASSERT_TRUE(within(20s, [&] { return sent() > 4e6; })) << sent() << a.log() << b.log();
  const auto from = sent();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(within(20s, [&] { return sent() > from + 30e6; }));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto rate = (sent() - from) / took.count();
  EXPECT_LT(rate, 1.05 * kCap);
  EXPECT_TRUE(within(30s,
                     [&] {
                       return text(a.ask({"status", id}), "result") == "ok";
                     }))
      << a.log() << b.log();
  ASSERT_TRUE(b.ended_within("job", 90s));
  EXPECT_EQ(losses(log), undisturbed(job));
}

}  // namespace
}  // namespace cardswap::test
