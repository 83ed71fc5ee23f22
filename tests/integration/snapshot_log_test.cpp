/// Method: an agent, the real command, a GPT that is protected with a gradient log and logs each
/// loss bit for bit. The trainer is killed at random moments; its record tells where it goes on,
/// and its losses are those of a run that was never disturbed. The seed is printed, and
/// CARDSWAP_CRASH_SEED sets it; CARDSWAP_KILLS kills as often, five at most: then a job stays
/// failed.

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "tests/integration/recovering_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

unsigned given_number(const char* name, unsigned otherwise) {
  const char* given = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return given == nullptr ? otherwise : static_cast<unsigned>(std::stoul(given));
}

class LoggedJob : public RecoveringJob {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(trainer("gpt"))) {
      return skip_without("torch", "built without LibTorch");
    }
  }
  void start_gpt(const std::string& steps) {
    program_ = {trainer("gpt"), "--text", LICENSE_FILE, "--layers", "1",       "--width", "64",
                "--context",    "32",     "--batch",    "8",        "--steps", steps};
    Words all{"run",       "--name",     "job", "--env", "OMP_NUM_THREADS=1",
              "--restart", "on-failure", "--"};
    all.insert(all.end(), program_.begin(), program_.end());
    all.insert(all.end(), {"--loss-log", log_.string()});
    (void)host_.ask(all);
    ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= 5; })) << host_.log();
    trainer_ = static_cast<int>(number(host_.job("job"), "pid"));
  }
  [[nodiscard]] static boost::json::object logged_in(const boost::json::object& protection) {
    const auto* logged = protection.if_contains("logged");
    return logged != nullptr && logged->is_object() ? logged->get_object() : boost::json::object();
  }
  [[nodiscard]] std::int64_t logged_to() const {
    const auto logged = logged_in(protection_of(host_));
    const auto* to = logged.if_contains("to");
    return to != nullptr && to->is_number() ? to->to_number<std::int64_t>() : 0;
  }
  [[nodiscard]] std::int64_t base_step() const {
    const auto protection = protection_of(host_);
    const auto* last = protection.if_contains("last");
    if (last == nullptr || !last->is_object()) return 0;
    return static_cast<std::int64_t>(number(last->get_object(), "step"));
  }
  /// A snapshot, and a log that leads on from it by so many steps.
  [[nodiscard]] bool is_logged_behind_a_snapshot(std::int64_t steps) const {
    return within(60s, [&] {
      const auto base = base_step();
      return base != 0 && logged_to() >= base + steps;
    });
  }
  /// Kills the trainer, and returns the step to which its log had led.
  std::int64_t kill_and_recover(int times, std::int64_t most_lost) {
    const auto behind = logged_in(protection_of(host_));
    const auto waiting = behind.empty() ? 0 : static_cast<std::int64_t>(number(behind, "behind"));
    EXPECT_EQ(::kill(trainer_, SIGKILL), 0);
    const auto reached = logged_step();  // that many are completed, and perhaps one more
    EXPECT_TRUE(has_recovered(times)) << host_.log();
    const auto recovery = recovery_of(host_);
    const auto last = recovery.at("last").as_object();
    const auto from = static_cast<std::int64_t>(number(last, "log_step"));
    EXPECT_GT(from, static_cast<std::int64_t>(number(last, "step"))) << host_.log();
    EXPECT_GE(from + most_lost + waiting, reached) << host_.log();
    EXPECT_TRUE(takes_steps()) << host_.log();
    trainer_ = static_cast<int>(number(record_of(host_), "pid"));
    return from;
  }
  void kill_at_random(const char* mode, std::int64_t most_lost) {
    const auto kills = std::min(given_number("CARDSWAP_KILLS", 2), 5U);
    const auto seed = given_number("CARDSWAP_CRASH_SEED", std::random_device()());
    fmt::print("CARDSWAP_CRASH_SEED={}\n", seed);
    std::mt19937 random(seed);
    start_gpt(std::to_string(400 + 150 * kills));
    protect("100000", {"--keep", "all", "--log", mode});
    for (unsigned i = 0; i < kills; ++i) {
      SCOPED_TRACE(fmt::format("seed {}, kill {}", seed, i + 1));
      ASSERT_TRUE(is_logged_behind_a_snapshot(3 + random() % 40)) << host_.log();
      kill_and_recover(static_cast<int>(i + 1), most_lost);
    }
    expect_the_undisturbed_end();
    EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
    expect_nothing_left();
  }
};

TEST_F(LoggedJob, ThatIsKilledGoesOnAtItsLastStepBitForBit) { kill_at_random("async", 1); }

TEST_F(LoggedJob, WhoseStepsWaitLosesNoneThatWasCompleted) { kill_at_random("sync", 0); }

TEST_F(LoggedJob, IsToldWithHowFarItIs) {
  start_gpt(kMany);
  protect("100000", {"--log", "async", "--window", "50steps,1GiB"});
  ASSERT_TRUE(is_logged_behind_a_snapshot(5)) << host_.log();
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              AllOf(HasSubstr("gradient log (async): to step "), HasSubstr(" behind, ")));
  EXPECT_THAT(ask_over_unix(host_, {.target = "/metrics"}).content,
              AllOf(HasSubstr("cardswap_log_step{job=\"job\"} "),
                    HasSubstr("cardswap_log_behind_steps{job=\"job\"} ")));
  const auto newest = history().front().as_object();
  EXPECT_GE(number(newest, "log_to"), number(newest, "step") + 5);
  EXPECT_THAT(host_.command({"history", "job", "--store", store()}).out, HasSubstr("LOG"));
  end_protection();
  const auto files = [this] {
    std::size_t all = 0;
    for (const auto& one : std::filesystem::recursive_directory_iterator(path("store/logs"))) {
      all += one.is_regular_file() ? 1 : 0;
    }
    return all;
  };
  ASSERT_TRUE(within(10s, [&] {
    const auto before = files();
    return trains_on() && files() == before;
  })) << "it goes on logging without its protection";
}

TEST_F(LoggedJob, GoesBackToAnyStepOfItsLogWithoutTakingOneAgain) {
  start_gpt("500");
  protect("100000", {"--keep", "all", "--log", "async"});
  ASSERT_TRUE(is_logged_behind_a_snapshot(30)) << host_.log();
  const auto step = base_step() + 17;
  const auto back = host_.ask({"restore", "job@" + std::to_string(step), "--store", store(), "--as",
                               "look", "--to", "cpu:1", "--hold"});
  EXPECT_EQ(number(back, "log_step"), step);
  EXPECT_EQ(number(back, "steps_again"), 0);
  EXPECT_EQ(number(back.at("held").as_object(), "step"), step);
  (void)host_.ask({"resume", "look"});
  EXPECT_TRUE(within(60s, [&] { return text(host_.job("look"), "state") == "ended"; }));
  expect_the_undisturbed_end();
}

TEST_F(LoggedJob, DoesWithoutALogThatIsDamagedFromThereOn) {
  start_gpt(kMany);
  protect("100000", {"--keep", "all", "--log", "sync"});
  ASSERT_TRUE(is_logged_behind_a_snapshot(20)) << host_.log();
  const auto base = base_step();
  std::vector<std::filesystem::path> segments;
  for (const auto& one : std::filesystem::recursive_directory_iterator(path("store/logs"))) {
    if (one.is_regular_file()) segments.push_back(one.path());
  }
  std::ranges::sort(segments);
  const auto hit = segments.at(segments.size() - 8);
  damage(hit, 5000);
  EXPECT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  const auto last = recovery_of(host_).at("last").as_object();
  const auto first_lost = std::stoll(hit.filename().string().substr(0, 20));
  EXPECT_EQ(number(last, "log_step"), first_lost - 1);
  EXPECT_GE(first_lost, base);
  EXPECT_TRUE(has_event("snapshot_skipped"));
  EXPECT_TRUE(takes_steps()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(LoggedJob, IsRefusedWhereNoStepCanBeReplayed) {
  start_restarting(kMany);
  const auto refused =
      host_.command({"protect", "job", "--every", "50", "--to", store(), "--log", "async"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("tracks no optimizer whose steps can be taken again"));
  EXPECT_TRUE(protection_of(host_).empty()) << "it is not protected without what was asked for";
}

}  // namespace
}  // namespace cardswap::test
