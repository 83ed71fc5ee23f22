/// Method: two agents, the real command, LibTorch trainers that do one thing as an ordinary one
/// does not. Each either moves, and then every loss and the digest at its end are those of a run
/// that was never moved; or its move is refused by name, and it trains on as if nobody had asked.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <fstream>

#include "tests/support/hosts.h"
#include "tests/support/http.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::vector<std::string> program(const std::string& odd, std::int64_t steps) {
  return {ODD, "--case", odd, "--steps", std::to_string(steps)};
}

std::string underscored(std::string text) {
  for (auto& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return text;
}

class OddTrainer : public ::testing::Test {
 protected:
  /// It trains until finish().
  void start(const std::string& odd, const std::string& step_ms = "5") {
    auto argv = program(odd, 1'000'000);
    argv.insert(argv.end(),
                {"--step-ms", step_ms, "--loss-log", log_.string(), "--finish", end_.string()});
    a_.run_job("job", argv);
    // Past the step at which it begins to differ.
    ASSERT_TRUE(within(60s, [&] { return a_.step_of("job") >= 16; })) << a_.log();
  }
  /// Some steps later, at `host`.
  void finish(Host& host) {
    const auto from = host.step_of("job");
    ASSERT_TRUE(within(60s, [&] { return host.step_of("job") >= from + 40; })) << host.log();
    std::ofstream(end_).put('\n');
    ASSERT_TRUE(host.ended_within("job", 90s)) << host.log();
  }
  /// The same program as far as this one came, never moved.
  [[nodiscard]] std::string expected(const std::string& odd) const {
    return undisturbed(program(odd, std::ranges::count(losses(log_), '\n') - 1));
  }
  [[nodiscard]] Outcome migrate(const std::string& strategy) const {
    return a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--strategy", strategy,
                       "--max-downtime", "none", "--timeout", "60s"});
  }

  TempDir dir_;
  std::filesystem::path log_ = dir_.path() / "losses";
  std::filesystem::path end_ = dir_.path() / "end";
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

class MovedOddTrainer : public OddTrainer,
                        public ::testing::WithParamInterface<std::pair<const char*, const char*>> {
};

TEST_P(MovedOddTrainer, GoesOnBitForBit) {
  const auto [odd, strategy] = GetParam();
  start(odd);
  const auto moved = migrate(strategy);
  ASSERT_EQ(moved.exit_code, 0) << moved.err;
  finish(b_);
  EXPECT_EQ(losses(log_), expected(odd));
}

INSTANTIATE_TEST_SUITE_P(
    All, MovedOddTrainer,
    ::testing::Values(
        std::pair{"micro batches", "stop-copy"}, std::pair{"micro batches", "rounds"},
        std::pair{"micro batches", "replay"}, std::pair{"micro batches dropped", "stop-copy"},
        std::pair{"micro batches dropped", "rounds"}, std::pair{"zeroes in place", "stop-copy"},
        std::pair{"zeroes in place", "replay"}, std::pair{"never zeroes", "stop-copy"},
        std::pair{"never zeroes", "rounds"}, std::pair{"never zeroes", "replay"},
        std::pair{"accumulates", "replay"}, std::pair{"freezes a layer", "stop-copy"},
        std::pair{"freezes a layer", "replay"}, std::pair{"evaluates a layer", "stop-copy"},
        std::pair{"evaluates a layer", "replay"}),
    [](const auto& info) {
      return underscored(std::string(info.param.first) + "_" + info.param.second);
    });

struct Changed {
  const char* odd;
  bool resent;  ///< what was sent in the backward pass went again
};

/// Its gradients go while the backward pass runs, and it does something to them before the
/// optimizer reads them.
class OddTrainerOfGradients : public OddTrainer, public ::testing::WithParamInterface<Changed> {};

TEST_P(OddTrainerOfGradients, GoesOnBitForBitAndSentThemBeforeTheStep) {
  const auto& c = GetParam();
  start(c.odd, "20");
  const auto id = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--strategy", "replay",
                               "--max-stall", "none", "--hold-at", "converged", "--detach"}),
                       "id");
  // It learns of a step how many passes there are, and nothing goes ahead of a base copy.
  ASSERT_TRUE(within(60s, [&] {
    const auto now = a_.ask({"status", id});
    return text(now, "state") == "converged" && now.at("held").as_bool() &&
           number(now.at("progress").as_object(), "early_bytes") > 0;
  })) << a_.log();
  ASSERT_EQ(
      ask_over_unix(a_, {.method = "POST", .target = "/v1/migrations/" + id + "/proceed"}).status,
      200U);
  ASSERT_TRUE(within(60s, [&] {
    return text(a_.ask({"status", id}), "state") == "completed";
  })) << a_.log();
  const auto progress = a_.ask({"status", id}).at("progress").as_object();
  EXPECT_EQ(text(progress, "strategy"), "replay");
  EXPECT_EQ(number(progress, "regions_not_replayed"), 0);
  EXPECT_EQ(number(progress, "resent_bytes") > 0, c.resent) << number(progress, "resent_bytes");
  finish(b_);
  EXPECT_EQ(losses(log_), expected(c.odd));
}

INSTANTIATE_TEST_SUITE_P(All, OddTrainerOfGradients,
                         ::testing::Values(Changed{"", false}, Changed{"clips by norm", false},
                                           Changed{"unscales", false}, Changed{"adds noise", true}),
                         [](const auto& info) {
                           return info.param.odd[0] == 0 ? std::string("changes_nothing")
                                                         : underscored(info.param.odd);
                         });

struct Refused {
  const char* odd;
  const char* reason;
  bool at_once;  ///< known before anybody asks
};

class RefusedOddTrainer : public OddTrainer, public ::testing::WithParamInterface<Refused> {};

TEST_P(RefusedOddTrainer, IsToldByNameAndTrainsOn) {
  const auto& c = GetParam();
  start(c.odd);
  if (c.at_once) {
    EXPECT_THAT(a_.command({"jobs"}).out, HasSubstr(std::string("cannot move: ")));
    EXPECT_THAT(a_.command({"jobs", "job", "--state"}).out, HasSubstr(c.reason));
    const auto plan = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
    EXPECT_THAT(plan.out, HasSubstr(c.reason));
    EXPECT_NE(plan.exit_code, 0);
  }
  const auto refused = migrate("auto");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr(c.reason));
  EXPECT_EQ(b_.leftovers(), "");
  finish(a_);
  EXPECT_EQ(losses(log_), expected(c.odd));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedOddTrainer,
    ::testing::Values(
        Refused{"untracked optimizer",
                "optimizer of type torch::optim::AdamW is stepped but not tracked", true},
        Refused{"untracked parameter",
                "optimizer of type torch::optim::AdamW steps 1 parameter that no tracked thing has",
                true},
        Refused{"adds a group", "2 parameter groups", false},
        Refused{"changes its dropout", "Dropout(p=0.3", false},
        Refused{"other strides", "strides", false}),
    [](const auto& info) { return underscored(info.param.odd); });

TEST_F(OddTrainer, WithADerivedOptimizerIsToldSoWhenItTracksIt) {
  a_.run_job("job", program("derived optimizer", 50));
  ASSERT_TRUE(a_.ended_within("job", 60s));
  const auto said = a_.command({"logs", "job"}).out;
  EXPECT_THAT(said, HasSubstr("odd: what an optimizer of type"));
  EXPECT_THAT(said, HasSubstr("SlowAdamW"));
}

TEST_F(OddTrainer, SaysWhatItsStateConsistsOf) {
  start("zeroes in place");
  const auto list = a_.ask({"jobs", "job", "--state"});
  std::string told;
  for (const auto& one : list.at("items").as_array()) {
    const auto& item = one.as_object();
    told += text(item, "name") + "/" + text(item, "kind") + "/" + text(item, "moves") + " ";
  }
  EXPECT_EQ(told,
            "model/module/replayed in part optimizer/optimizer/replayed step/value/value "
            "rng/value/value ");
  EXPECT_THAT(a_.command({"jobs", "job", "--state"}).out, HasSubstr("torch::optim::AdamW"));
}

}  // namespace
}  // namespace cardswap::test
