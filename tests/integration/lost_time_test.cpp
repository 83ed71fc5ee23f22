/// Method: two agents, real trainers that write down when each of their steps begins (--times), and
/// a capped link. What the agent tells of stall and lost time is compared with what the trainers'
/// own clock says, worked out here in another way: each step that took a fifth longer than the
/// median of those before the request, and longer than 19 of 20 of them, is late by what it took
/// beyond that median.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr double kLateFrom = 1.2;  // of the median
constexpr std::size_t kPaceSteps = 64;
constexpr std::uint64_t kStepsAfter = 10;
// What is told may differ: the two look at their clocks a little apart, and a step that is a little
// late is late to the one and ordinary to the other.
constexpr double kStallOffMs = 15;
constexpr double kOffBy = 0.1;
constexpr double kOffBySteps = 4;

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// By the trainers' own clock. Milliseconds.
struct OwnClock {
  double step_ms = 0;
  double stall_ms = 0;
  double lost_ms = 0;
};

/// From the step under way at `asked_ns` to the beginning of `last`.
OwnClock own_clock(const fs::path& times, std::int64_t asked_ns, std::uint64_t last) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> began;
  std::istringstream lines(read_file(times.string()));
  std::string word;
  std::uint64_t step = 0;
  for (std::int64_t at = 0; lines >> word >> step >> at;) {
    if (step <= last) began.emplace_back(step, at);
  }
  std::ranges::sort(began);
  std::vector<double> before;
  std::vector<double> since;
  for (std::size_t i = 1; i < began.size(); ++i) {
    const auto took_ms = static_cast<double>(began[i].second - began[i - 1].second) / 1e6;
    (began[i].second < asked_ns ? before : since).push_back(took_ms);
  }
  if (before.size() > kPaceSteps) before.erase(before.begin(), before.end() - kPaceSteps);
  OwnClock own;
  if (before.empty()) return own;
  std::ranges::sort(before);
  own.step_ms = before[before.size() / 2];
  const auto ordinary_ms = std::max(kLateFrom * own.step_ms, before[before.size() * 19 / 20]);
  for (const auto took_ms : since) {
    if (took_ms <= ordinary_ms) continue;
    own.lost_ms += took_ms - own.step_ms;
    own.stall_ms = std::max(own.stall_ms, took_ms - own.step_ms);
  }
  return own;
}

/// The last step that is in it.
std::uint64_t after_the_move(const boost::json::object& told) {
  return static_cast<std::uint64_t>(number(told, "migrated_at_step")) + kStepsAfter;
}

class LostTime : public ::testing::Test {
 protected:
  void start(std::vector<std::string> program, std::int64_t steps) {
    program.insert(program.end(), {"--times", file("times").string(), "--loss-log",
                                   file("losses").string(), "--steps", "1000000"});
    a_.run_job("job", std::move(program));
    ASSERT_TRUE(within(60s, [&] { return a_.step_of("job") >= steps; })) << a_.log();
  }
  std::vector<std::string> plain(const std::string& step_ms, const std::string& dirty_share) {
    return {trainer("plain_memory"), "--bytes",   "8000000",    "--step-ms",         step_ms,
            "--dirty-share",         dirty_share, "--end-when", file("end").string()};
  }
  /// Asked for over a link of `bandwidth`.
  std::vector<std::string> over(const std::string& bandwidth, const std::string& strategy) {
    asked_ns_ = now_ns();
    return {"migrate",    "job",    "--to",           b_.at("cpu:0"), "--bandwidth", bandwidth,
            "--strategy", strategy, "--max-downtime", "none",         "--compress",  "off",
            "--timeout",  "60s"};
  }
  [[nodiscard]] boost::json::object known(const std::string& id) {
    boost::json::object now;
    EXPECT_TRUE(within(30s, [&] {
      now = a_.ask({"status", id});
      return now.at("lost_is_final").as_bool();
    })) << a_.log();
    return now;
  }
  void expect_own_clock(const boost::json::object& told, std::uint64_t last) {
    const auto own = own_clock(file("times"), asked_ns_, last);
    const auto what = "told " + boost::json::serialize(told);
    EXPECT_NEAR(number(told, "step_ms"), own.step_ms, kOffBy * own.step_ms) << what;
    EXPECT_NEAR(number(told, "stall_ms"), own.stall_ms, kOffBy * own.stall_ms + kStallOffMs)
        << what;
    EXPECT_NEAR(number(told, "lost_ms"), own.lost_ms,
                kOffBy * own.lost_ms + kOffBySteps * own.step_ms)
        << what;
    EXPECT_NEAR(number(told, "lost_steps"), number(told, "lost_ms") / number(told, "step_ms"),
                1e-6);
    EXPECT_GE(number(told, "lost_ms"), number(told, "stall_ms"));
  }
  [[nodiscard]] fs::path file(const std::string& name) const { return dir_.path() / name; }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
  std::int64_t asked_ns_ = 0;
};

TEST_F(LostTime, OfAStopCopyIsWhatTheTrainersClockSays) {
  start(plain("40", "1"), 20);
  const auto moved = a_.ask(over("20MB/s", "stop-copy"));
  const auto told = known(text(moved, "id"));
  EXPECT_EQ(number(told, "steps_after"), kStepsAfter);
  expect_own_clock(told, after_the_move(told));
  EXPECT_GE(number(told, "stall_ms"), 300) << "8 MB at 20 MB/s";
  EXPECT_GE(number(told, "stall_ms"), 0.9 * number(told, "downtime_ms"));
  EXPECT_TRUE(moved.at("lost_is_final").as_bool()) << "the command waits for ten such steps";
  EXPECT_THAT(a_.command({"status"}).out, HasSubstr("LOST"));
  EXPECT_THAT(a_.command({"report", text(moved, "id")}).out, HasSubstr("10 of 10 steps after it"));
}

TEST_F(LostTime, OfRoundsIsWhatTheTrainersClockSays) {
  start(plain("40", "0.5"), 20);
  const auto moved = a_.ask(over("20MB/s", "rounds"));
  const auto told = known(text(moved, "id"));
  expect_own_clock(told, after_the_move(told));
  EXPECT_GE(number(told, "stall_ms"), 50) << "4 MB at 20 MB/s";
}

/// What is sent for a step takes several steps: each of them waits.
TEST_F(LostTime, OfAReplayOverASlowLinkIsManyTimesTheDowntime) {
  if (!fs::exists(trainer("gpt"))) return skip_without("torch", "built without LibTorch");
  start({trainer("gpt"), "--text", LICENSE_FILE}, 20);
  const auto moved = a_.ask(over("8MB/s", "replay"));
  const auto told = known(text(moved, "id"));
  ASSERT_EQ(text(told.at("progress").as_object(), "strategy"), "replay");
  expect_own_clock(told, after_the_move(told));
  EXPECT_GT(number(told, "lost_ms"), 2 * number(told, "downtime_ms"));
  EXPECT_THAT(a_.command({"report", text(moved, "id")}).out, HasSubstr("warning    the job lost"));
}

TEST_F(LostTime, OfAMigrationThatIsCancelledIsItsSources) {
  start(plain("40", "1"), 20);
  auto argv = over("8MB/s", "stop-copy");
  argv.emplace_back("--detach");
  const auto id = text(a_.ask(argv), "id");
  ASSERT_TRUE(within(20s, [&] { return text(a_.ask({"status", id}), "state") == "verifying"; }));
  const auto stands_ns = now_ns();
  ASSERT_TRUE(within(20s, [&] { return now_ns() - stands_ns > 200'000'000; }));
  EXPECT_EQ(a_.command({"cancel", id}).exit_code, 0);
  const auto told = known(id);
  EXPECT_EQ(text(told, "result"), "cancelled");
  EXPECT_EQ(number(told, "steps_after"), kStepsAfter);
  EXPECT_GT(number(told, "stall_ms"), 100) << "it stood meanwhile";
  // Where it was let go is by its own clock: ten steps after the longest one.
  const auto lines = read_file(file("times").string());
  expect_own_clock(told, static_cast<std::uint64_t>(std::ranges::count(lines, '\n')));
}

TEST_F(LostTime, IsKnownAfterTheSourcesAgentWasRestarted) {
  start(plain("40", "1"), 20);
  auto argv = over("4MB/s", "stop-copy");
  argv.emplace_back("--detach");
  const auto id = text(a_.ask(argv), "id");
  ASSERT_TRUE(within(20s, [&] { return text(a_.ask({"status", id}), "state") == "verifying"; }));
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  const auto told = known(id);
  EXPECT_EQ(text(told, "result"), "failed");
  EXPECT_EQ(number(told, "steps_after"), kStepsAfter);
  EXPECT_GT(number(told, "stall_ms"), 50) << "it stood until the next agent let it go";
}

TEST_F(LostTime, IsKnownAfterTheTargetsAgentWasRestarted) {
  start(plain("300", "1"), 5);
  const auto moved = a_.ask(over("40MB/s", "stop-copy"));
  EXPECT_FALSE(moved.at("lost_is_final").as_bool()) << "ten steps of 300 ms are not waited for";
  EXPECT_LT(number(moved, "steps_after"), kStepsAfter);
  b_.kill_agent(SIGKILL);
  b_.start_agent();
  const auto told = known(text(moved, "id"));
  EXPECT_EQ(number(told, "steps_after"), kStepsAfter);
  EXPECT_TRUE(told.at("lost_note").is_null());
  expect_own_clock(told, after_the_move(told));
}

TEST_F(LostTime, OfAJobThatEndsSoonAfterSaysOfHowManyStepsItIs) {
  start(plain("300", "1"), 5);
  const auto moved = a_.ask(over("40MB/s", "stop-copy"));
  std::ofstream(file("end")) << "\n";
  const auto told = known(text(moved, "id"));
  EXPECT_LT(number(told, "steps_after"), kStepsAfter);
  EXPECT_GT(number(told, "stall_ms"), 100);
  EXPECT_THAT(text(told, "lost_note"), HasSubstr("of 10 steps after it are in it"));
}

TEST_F(LostTime, OfAJobOfWhichTooFewStepsAreKnownIsNoNumber) {
  start(plain("700", "1"), 1);
  const auto moved = a_.ask(over("none", "stop-copy"));
  EXPECT_EQ(text(moved, "result"), "ok");
  for (const auto* key : {"stall_ms", "lost_ms", "lost_steps", "step_ms"}) {
    EXPECT_TRUE(moved.at(key).is_null()) << key;
  }
  EXPECT_THAT(text(moved, "lost_note"), HasSubstr("too few to know the job's pace"));
  EXPECT_THAT(a_.command({"status", text(moved, "id")}).out, HasSubstr("are not known: "));
}

}  // namespace
}  // namespace cardswap::test
