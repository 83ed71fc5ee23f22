#include "tests/faults/two_host_scenario.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

}  // namespace

// Small and fast: thousands of steps a case, each of which rewrites every byte.
std::vector<std::string> TwoHostScenario::program(const std::string& steps) const {
  std::vector<std::string> argv{
      trainer("plain_memory"), "--steps", steps, "--bytes", "524288", "--step-ms", "4"};
  if (arena_) argv.emplace_back("--arena");
  if (ignores_moved_) argv.emplace_back("--ignore-moved");
  return argv;
}

TwoHostScenario::TwoHostScenario(const ScenarioNeeds& needs)
    : arena_(needs.arena), ignores_moved_(needs.ignores_moved) {
  if (needs.link) net = std::make_unique<NetnsPair>();
  if (needs.source_disk) a_disk = std::make_unique<SmallDisk>(dir.path() / "a");
  if (needs.target_disk) b_disk = std::make_unique<SmallDisk>(dir.path() / "b");
  const auto options = [&](int side, const std::string& name) {
    HostOptions result{.name = name};
    if (net) {
      result.netns = net->name(side);
      result.address = NetnsPair::address(side);
      result.transports = "tcp";
    }
    return result;
  };
  a = std::make_unique<Host>(dir.path() / "a", options(0, "a"));
  b = std::make_unique<Host>(dir.path() / "b", options(1, "b"));
}

void TwoHostScenario::start_job(bool standby_waits) {
  auto argv = program("1000000");
  argv.insert(argv.end(),
              {"--loss-log", file("losses").string(), "--times", file("times").string(),
               "--end-when", file("end").string(), "--wait-while", file("wait").string()});
  if (standby_waits) {
    const auto gate = file("gate").string();
    ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
    argv.insert(argv.begin(), {"sh", "-c",
                               "if [ \"$CARDSWAP_ROLE\" = standby ]; then read line <" + gate +
                                   "; fi; exec \"$0\" \"$@\""});
  }
  a->run_job("job", argv);
  ASSERT_TRUE(within(10s, [&] { return a->step_of("job") >= 3; })) << a->log();
}

std::size_t TwoHostScenario::steps() const {
  std::istringstream lines(read_file(file("losses").string()));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.starts_with("step ") ? 1U : 0U;
  return count;
}

bool TwoHostScenario::steps_again_within(std::chrono::milliseconds limit) const {
  // One may be on its way already.
  const auto wanted = steps() + 2;
  return within(limit, [&] { return steps() >= wanted; });
}

double TwoHostScenario::longest_pause_ms(Clock::time_point from) const {
  std::istringstream lines(read_file(file("times").string()));
  auto last = from;
  Clock::duration longest{};
  std::string word;
  std::uint64_t step = 0;
  for (std::int64_t at = 0; lines >> word >> step >> at;) {
    const Clock::time_point now{std::chrono::nanoseconds(at)};
    if (now <= last) continue;
    longest = std::max(longest, now - last);
    last = now;
  }
  return std::chrono::duration<double, std::milli>(longest).count();
}

void TwoHostScenario::open_standby_gate() const {
  // Both ends: no waiting for the other side, and what was written stays while it opens its own.
  const int gate = ::open(file("gate").c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  EXPECT_EQ(::write(gate, "\n", 1), 1);
  EXPECT_TRUE(within(5s, [&] {
    int unread = 0;
    return ::ioctl(gate, FIONREAD, &unread) == 0 && unread == 0;
  })) << "nobody waits at the gate";
  ::close(gate);
}

void TwoHostScenario::hold_trainers() const { std::ofstream(file("wait")) << "\n"; }
void TwoHostScenario::let_trainers_go() const { std::filesystem::remove(file("wait")); }

void TwoHostScenario::expect_undisturbed_end(const Host& owner) const {
  std::ofstream(file("end")) << "\n";
  ASSERT_TRUE(owner.ended_within("job", 20s)) << owner.log();
  EXPECT_EQ(text(owner.job("job"), "state"), "ended");
  EXPECT_EQ(losses(file("losses")), undisturbed(program(std::to_string(steps()))));
}

void TwoHostScenario::expect_undisturbed_start() const {
  const auto expected = undisturbed(program(std::to_string(steps())));
  EXPECT_EQ(losses(file("losses")), expected.substr(0, expected.find("digest")));
}

std::string state_of(const Host& host, const std::string& migration) {
  const auto outcome = host.command({"-o", "json", "status", migration});
  if (outcome.exit_code != 0) return {};
  return text(boost::json::parse(outcome.out).as_object(), "state");
}

}  // namespace cardswap::test
