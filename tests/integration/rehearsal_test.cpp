/// Method: two agents, the real command, LibTorch trainers that track all that their steps read but
/// for one thing. No digest can see that before a move. A rehearsed step has to, by name; and has
/// to say nothing of a trainer that forgets nothing. Whatever comes of it, every loss is that of a
/// run that was never disturbed.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <fstream>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr int kFailed = 1;
constexpr int kAborted = 4;
constexpr int kRefused = 3;

std::string underscored(std::string text) {
  for (auto& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return text;
}

class Rehearsed : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  /// It trains until finish(), beyond the step at which its dropout changes.
  void start(Words program) {
    program_ = std::move(program);
    auto argv = program_;
    argv.insert(argv.end(), {"--steps", "1000000", "--step-ms", "5", "--loss-log", log_.string(),
                             "--finish", end_.string()});
    a_.run_job("job", argv);
    ASSERT_TRUE(within(60s, [&] { return a_.step_of("job") >= 16; })) << a_.log();
  }
  /// Some steps later, at `host`: with each loss that it would have had.
  void finish(Host& host) {
    const auto from = host.step_of("job");
    ASSERT_TRUE(within(60s, [&] { return host.step_of("job") >= from + 20; })) << host.log();
    std::ofstream(end_).put('\n');
    ASSERT_TRUE(host.ended_within("job", 90s)) << host.log();
    auto alone = program_;
    const auto steps = std::ranges::count(losses(log_), '\n') - 1;
    alone.insert(alone.end(), {"--steps", std::to_string(steps)});
    EXPECT_EQ(losses(log_), undisturbed(alone));
  }
  [[nodiscard]] Outcome migrate(const Words& more) const {
    Words all{"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none"};
    all.insert(all.end(), more.begin(), more.end());
    return a_.command(all);
  }
  static Words forgetting(const std::string& what) { return {FORGETFUL, "--forget", what}; }

  TempDir dir_;
  std::filesystem::path log_ = dir_.path() / "losses";
  std::filesystem::path end_ = dir_.path() / "end";
  Words program_;
  Host a_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

// ---- what is forgotten is found

struct Forgotten {
  const char* what;
  const char* named;  ///< what differs
};

class ForgetfulTrainer : public Rehearsed, public ::testing::WithParamInterface<Forgotten> {};

TEST_P(ForgetfulTrainer, IsFoundByACheckAndTrainsOn) {
  const auto& c = GetParam();
  start(forgetting(c.what));
  const auto checked = a_.command({"check", "job", "--to", "cpu:1"});
  EXPECT_EQ(checked.exit_code, kFailed) << checked.out;
  EXPECT_THAT(checked.err, HasSubstr("taken at both sides from the same state"));
  EXPECT_THAT(checked.err, HasSubstr(c.named));
  EXPECT_THAT(checked.err, HasSubstr("What was forgotten?"));
  EXPECT_EQ(a_.leftovers(), "");
  finish(a_);
}

INSTANTIATE_TEST_SUITE_P(
    One, ForgetfulTrainer,
    ::testing::Values(
        Forgotten{"hidden", "tensors: model/cell."}, Forgotten{"position", "tensors: model/cell."},
        Forgotten{"generator", "values: average"}, Forgotten{"scheduler", "values: optimizer"},
        Forgotten{"average", "tensors: model/cell."}, Forgotten{"dropout", "values: average"},
        Forgotten{"order", "tensors: model/first.weight, model/second.weight"},
        Forgotten{"environment", "tensors: model/cell."}),
    [](const auto& info) { return underscored(info.param.what); });

TEST_F(Rehearsed, MoveIsGivenUpWhereSomethingIsForgotten) {
  start(forgetting("hidden"));
  const auto moved = migrate({"--rehearse", "on"});
  EXPECT_EQ(moved.exit_code, kFailed);
  EXPECT_THAT(moved.out, HasSubstr("was not moved"));
  EXPECT_THAT(moved.err, HasSubstr("left another state there"));
  EXPECT_EQ(a_.leftovers() + b_.leftovers(), "");
  finish(a_);
}

// ---- what forgets nothing passes

TEST_F(Rehearsed, CheckPassesOnTheJobsOwnDevice) {
  start(forgetting("nothing"));
  const auto checked = a_.command({"check", "job"});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("job job may move: step "));
  EXPECT_EQ(a_.leftovers(), "");
  const auto again = a_.ask({"check", "job"});
  EXPECT_EQ(text(again, "result"), "checked");
  EXPECT_EQ(text(again, "state"), "aborted");
  EXPECT_TRUE(again.at("error").is_null());
  EXPECT_EQ(text(again.at("progress").as_object(), "rehearsal"), "equal");
  EXPECT_EQ(number(a_.job("job"), "epoch"), 1) << "nothing was granted";
  finish(a_);
}

class RehearsedMove : public Rehearsed, public ::testing::WithParamInterface<const char*> {};

TEST_P(RehearsedMove, GoesOnBitForBitFromBehindTheRehearsedStep) {
  start(forgetting("nothing"));
  const auto moved = a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--strategy", GetParam(),
                             "--max-downtime", "none", "--rehearse", "on"});
  EXPECT_EQ(text(moved, "result"), "ok");
  const auto& progress = moved.at("progress").as_object();
  EXPECT_EQ(text(progress, "rehearsal"), "equal");
  EXPECT_EQ(text(progress, "rehearsal_note"),
            "step " + std::to_string(static_cast<int>(number(moved, "migrated_at_step"))) +
                " left the same bytes at both sides");
  finish(b_);
}

INSTANTIATE_TEST_SUITE_P(Strategy, RehearsedMove,
                         ::testing::Values("rounds", "stop-copy", "replay"),
                         [](const auto& info) { return underscored(info.param); });

/// What is rounded otherwise there goes over as it is here.
TEST_F(Rehearsed, DifferenceByRoundingAloneIsToldAndTheJobGoesOnBitForBit) {
  auto program = forgetting("nothing");
  program.insert(program.end(), {"--rounds", "3e-7"});
  start(program);
  const auto moved = a_.ask(
      {"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none", "--rehearse", "on"});
  EXPECT_EQ(text(moved, "result"), "ok");
  const auto& progress = moved.at("progress").as_object();
  EXPECT_EQ(text(progress, "rehearsal"), "rounding");
  EXPECT_THAT(text(progress, "rehearsal_note"), HasSubstr("by rounding alone: step "));
  EXPECT_EQ(a_.leftovers(), "");
  finish(b_);
}

/// Gradients that live from step to step are state, and the rehearsed step changes them.
class RehearsedGradients : public Rehearsed, public ::testing::WithParamInterface<const char*> {};

TEST_P(RehearsedGradients, AreNoFalseAlarm) {
  start({ODD, "--case", GetParam()});
  for (int i = 0; i < 3; ++i) {
    const auto checked = a_.command({"check", "job"});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
  }
  finish(a_);
}

INSTANTIATE_TEST_SUITE_P(OddTrainer, RehearsedGradients,
                         ::testing::Values("micro batches", "zeroes in place", "never zeroes"),
                         [](const auto& info) { return underscored(info.param); });

struct Example {
  const char* program;
  std::vector<std::string> arguments;
};

class RehearsedExample : public ::testing::TestWithParam<Example> {};

TEST_P(RehearsedExample, IsNoFalseAlarm) {
  const auto& c = GetParam();
  const TempDir dir;
  const Host a(dir.path() / "a", {.name = "a"});
  std::vector<std::string> argv{trainer(c.program)};
  argv.insert(argv.end(), c.arguments.begin(), c.arguments.end());
  argv.insert(argv.end(), {"--steps", "1000000", "--loss-log", (dir.path() / "losses").string()});
  const_cast<Host&>(a).run_job("job", argv);
  ASSERT_TRUE(within(60s, [&] { return a.step_of("job") >= 3; })) << a.log();
  const auto checked = a.command({"check", "job", "--max-downtime", "none"});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
}

INSTANTIATE_TEST_SUITE_P(All, RehearsedExample,
                         ::testing::Values(Example{"plain_memory", {"--step-ms", "3"}},
                                           Example{"gpt", {"--text", LICENSE_FILE}},
                                           Example{"cnn", {}}, Example{"lstm", {}},
                                           Example{"lora", {}}, Example{"tied", {}},
                                           Example{"experts", {"--experts", "64", "--every", "9"}}),
                         [](const auto& info) { return std::string(info.param.program); });

// ---- when

TEST_F(Rehearsed, JobThatPassedOnceIsMovedWithoutWhereThatIsAskedFor) {
  start(forgetting("nothing"));
  const auto first = a_.ask(
      {"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none", "--rehearse", "auto"});
  EXPECT_EQ(text(first, "rehearse"), "on");
  EXPECT_EQ(text(b_.ask({"migrate", "job", "--to", a_.at("cpu:0"), "--max-downtime", "none"}),
                 "rehearse"),
            "off");
  const auto second = a_.ask(
      {"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none", "--rehearse", "auto"});
  EXPECT_EQ(text(second, "rehearse"), "off") << "it passed here";
  EXPECT_EQ(text(second, "result"), "ok");
  EXPECT_EQ(text(second.at("progress").as_object(), "rehearsal"), "");
  finish(b_);
}

TEST_F(Rehearsed, ProgramThatCannotRepeatAStepIsLeftAloneAndSaysWhy) {
  auto program = forgetting("nothing");
  program.emplace_back("--stream");
  start(program);
  const auto checked = a_.command({"check", "job"});
  EXPECT_EQ(checked.exit_code, kRefused);
  EXPECT_THAT(checked.err, HasSubstr("it reads from a queue"));
  const auto moved = a_.ask(
      {"migrate", "job", "--to", b_.at("cpu:0"), "--max-downtime", "none", "--rehearse", "on"});
  EXPECT_EQ(text(moved, "result"), "ok");
  const auto& progress = moved.at("progress").as_object();
  EXPECT_EQ(text(progress, "rehearsal"), "left out");
  EXPECT_EQ(text(progress, "rehearsal_note"), "it reads from a queue");
  finish(b_);
}

/// The job stands behind its own step meanwhile.
TEST_F(Rehearsed, StandbyThatDoesNotEndItsStepHoldsTheJobNoLongerThanSeconds) {
  auto program = forgetting("nothing");
  program.insert(program.end(), {"--hangs-ms", "600000"});
  start(program);
  const auto checked = a_.command({"check", "job"});
  EXPECT_EQ(checked.exit_code, kAborted) << checked.err;
  EXPECT_THAT(checked.err, HasSubstr("did not come to the end of step"));
  EXPECT_EQ(a_.leftovers(), "");
  finish(a_);
}

TEST_F(Rehearsed, WhatAProcessThatMovesWholeHasNoUseFor) {
  start(forgetting("nothing"));
  const auto moved = migrate({"--arrive", "criu", "--rehearse", "on"});
  EXPECT_EQ(moved.exit_code, 2);
  EXPECT_THAT(moved.err, HasSubstr("nothing to rehearse"));
  finish(a_);
}

}  // namespace
}  // namespace cardswap::test
