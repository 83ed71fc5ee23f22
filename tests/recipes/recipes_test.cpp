/// Method: each program of the guide trains under an agent, is moved by stop-copy and moved back by
/// replay (or rounds, where there is nothing to replay), and goes on for a while. Its losses and
/// the digest at its end must be those of the same program that nobody moved. Then the line that
/// the recipe is about is left out: that must be seen.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::int64_t kStepsBefore = 25;
constexpr std::int64_t kStepsAfter = 60;

struct Recipe {
  std::string name;
  std::string line;  ///< the tracked thing that the recipe is about
  std::string back = "replay";
  std::string ends = back;  ///< the strategy that this one becomes
  std::string missed = {};  ///< what a move without the line is refused with; empty: it moves
};

std::ostream& operator<<(std::ostream& out, const Recipe& r) { return out << r.name; }

/// A host with two devices and a recipe that trains there.
class MovedRecipe : public ::testing::TestWithParam<Recipe> {
 protected:
  void start(const std::string& forget) {
    program_ = {RECIPES, GetParam().name};
    if (!forget.empty()) program_.insert(program_.end(), {"--forget", forget});
    auto argv = program_;
    argv.insert(argv.end(), {"--steps", "1000000", "--step-ms", "4", "--finish", finish().string(),
                             "--loss-log", log().string()});
    host_.run_job("job", argv);
    wait_for_step(kStepsBefore);
  }
  void wait_for_step(std::int64_t step) {
    ASSERT_TRUE(within(60s, [&] { return host_.step_of("job") >= step; })) << host_.log();
  }
  Outcome move(const std::string& device, const std::string& strategy) {
    return host_.command({"-o", "json", "migrate", "job", "--to", host_.at(device), "--strategy",
                          strategy, "--max-downtime", "none", "--timeout", "90s"});
  }
  void finish_after(std::int64_t steps) {
    wait_for_step(host_.step_of("job") + steps);
    std::ofstream(finish()).put('\n');
    ASSERT_TRUE(host_.ended_within("job", 60s)) << host_.log();
  }
  /// The same program, as far as this one came.
  [[nodiscard]] std::string expected() const {
    const auto all = losses(log());
    const auto steps = std::ranges::count(all, '\n') - 1;
    auto argv = program_;
    argv.insert(argv.end(), {"--steps", std::to_string(steps)});
    return undisturbed(argv);
  }

  [[nodiscard]] std::filesystem::path log() const { return dir_.path() / "losses"; }
  [[nodiscard]] std::filesystem::path finish() const { return dir_.path() / "finish"; }

  TempDir dir_;
  Host host_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}}};
  std::vector<std::string> program_;
};

TEST_P(MovedRecipe, GoesOnBitForBit) {
  start("");
  const auto there = move("cpu:1", "stop-copy");
  ASSERT_EQ(there.exit_code, 0) << there.err << there.out << host_.log();
  const auto back = move("cpu:0", GetParam().back);
  ASSERT_EQ(back.exit_code, 0) << back.err << back.out << host_.log();
  finish_after(kStepsAfter);

  EXPECT_EQ(losses(log()), expected());
  const auto migration = boost::json::parse(back.out).as_object();
  const auto& progress = migration.at("progress").as_object();
  EXPECT_EQ(text(progress, "strategy"), GetParam().ends);
  if (GetParam().back == "replay") {
    EXPECT_GT(number(progress, "log_entries"), 0);
  }
}

/// Refused by name, which is better, or seen in what it computes.
TEST_P(MovedRecipe, IsMissedWhenItsLineIsLeftOut) {
  start(GetParam().line);
  const auto there = move("cpu:1", "stop-copy");
  const auto& refusal = GetParam().missed;
  if (refusal.empty()) {
    ASSERT_EQ(there.exit_code, 0) << there.err << there.out << host_.log();
    // What begins anew with each epoch is not missed at an epoch's end: two moves, a prime apart.
    wait_for_step(host_.step_of("job") + 17);
    const auto back = move("cpu:0", "stop-copy");
    ASSERT_EQ(back.exit_code, 0) << back.err << back.out << host_.log();
    finish_after(kStepsAfter);
    EXPECT_NE(losses(log()), expected());
    return;
  }
  EXPECT_EQ(there.exit_code, 3) << there.err << there.out;
  EXPECT_THAT(there.err + there.out, HasSubstr(refusal));
  finish_after(kStepsAfter);
  EXPECT_EQ(losses(log()), expected()) << "it trains on as if nobody had asked";
}

INSTANTIATE_TEST_SUITE_P(
    All, MovedRecipe,
    ::testing::Values(
        Recipe{"loose_tensors", "hidden", "replay", "rounds"}, Recipe{"generators", "engine"},
        Recipe{"schedules", "root"}, Recipe{"own_type", "curriculum"}, Recipe{"loader", "trained"},
        Recipe{"logging", "step"}, Recipe{"accumulation", "rng"}, Recipe{"average", "average"},
        Recipe{.name = "two_optimizers",
               .line = "critic_optimizer",
               .missed = "optimizer of type torch::optim::Adam is stepped but not tracked"},
        Recipe{
            .name = "masters",
            .line = "masters",
            .missed = "optimizer of type torch::optim::AdamW steps 2 parameters that no tracked"},
        Recipe{.name = "growing_groups", .line = "groups", .missed = "parameter groups"},
        Recipe{"lbfgs", "optimizer", "rounds"}),
    [](const auto& info) { return info.param.name; });

TEST(MinimalRecipe, GoesOnBitForBit) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}});
  const auto log = (dir.path() / "losses").string();
  a.run_job("job", {RECIPE_MINIMAL, "1000000000", log});
  ASSERT_TRUE(within(60s, [&] { return a.step_of("job") >= kStepsBefore; })) << a.log();
  const auto moved = a.ask({"migrate", "job", "--to", a.at("cpu:1"), "--max-downtime", "none"});
  EXPECT_EQ(text(moved, "state"), "completed");
  const auto there = a.step_of("job");
  ASSERT_TRUE(within(60s, [&] { return a.step_of("job") >= there + kStepsAfter; })) << a.log();
  (void)a.ask({"stop", "job"});

  auto written = read_file(log);
  written.resize(written.rfind('\n') + 1);  // a line may have been cut off
  const auto steps = std::to_string(std::ranges::count(written, '\n'));
  const auto alone = (dir.path() / "alone").string();
  ASSERT_EQ(run({"env", "OMP_NUM_THREADS=1", RECIPE_MINIMAL, steps, alone}).exit_code, 0);
  EXPECT_TRUE(read_file(alone).starts_with(written));
}

}  // namespace
}  // namespace cardswap::test
