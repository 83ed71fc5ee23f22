/// Method: two agents, real trainers, the real command. A job is moved while it trains; its losses,
/// written by whichever process computed them, must be those of a run that was never moved, bit for
/// bit, and so must the digest of everything tracked at its end.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "tests/support/hosts.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

constexpr double kHeadBytes = 32 << 10;  // of the GPT's head, at least

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Case {
  std::string name;
  std::string program;
  std::vector<std::string> arguments;
  std::string strategy;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class MovedTrainer : public ::testing::TestWithParam<Case> {};

TEST_P(MovedTrainer, GoesOnBitForBit) {
  const auto& c = GetParam();
  if (!std::filesystem::exists(trainer(c.program)))
    return skip_without("torch", "built without LibTorch");
  const TempDir dir;
  std::vector<std::string> program{trainer(c.program)};
  program.insert(program.end(), c.arguments.begin(), c.arguments.end());
  const auto expected = undisturbed(program);
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const auto log = dir.path() / "losses";
  auto with_log = program;
  with_log.insert(with_log.end(), {"--loss-log", log.string()});
  a.run_job("job", with_log);
  ASSERT_TRUE(within(30s, [&] { return a.step_of("job") >= 3; }));

  const auto moved = a.ask({"migrate", "job", "--to", b.at("cpu:0"), "--strategy", c.strategy,
                            "--max-downtime", "none", "--timeout", "60s"});

  EXPECT_EQ(text(moved, "state"), "completed");
  EXPECT_EQ(text(a.job("job"), "state"), "moved");
  ASSERT_TRUE(b.ended_within("job", 60s)) << b.log();
  EXPECT_EQ(losses(log), expected);
  const auto& progress = moved.at("progress").as_object();
  EXPECT_EQ(text(progress, "strategy"), c.strategy);
  if (c.strategy == "replay") {
    EXPECT_GT(number(progress, "log_entries"), 0);
    const bool by_hand = c.name == "GptHandWrittenUpdateReplay";
    // An audit right after the copy, ahead of that step's clipping, finds nothing yet: then the
    // digests of the frozen state do, and the chunk goes in the downtime.
    const auto found = text(progress, "not_replayed");
    if (by_hand && found.empty()) {
      EXPECT_GT(number(progress, "bytes_in_downtime"), kHeadBytes);
    } else {
      EXPECT_EQ(found, by_hand ? "model/head.weight" : "");
    }
  }
  EXPECT_GT(number(moved, "downtime_ms"), 0);
  EXPECT_THAT(read_file(log.string()), HasSubstr("moved at step"));
  if (c.program == "lora" && c.strategy == "rounds") {
    EXPECT_LE(number(progress, "bytes_in_downtime"), 0.1 * number(progress, "total"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, MovedTrainer,
    ::testing::Values(
        Case{"PlainRounds", "plain_memory", {"--steps", "1000", "--step-ms", "3"}, "rounds"},
        Case{"PlainStopCopy", "plain_memory", {"--steps", "1000", "--step-ms", "3"}, "stop-copy"},
        Case{"GptRounds", "gpt", {"--steps", "150", "--text", LICENSE_FILE}, "rounds"},
        Case{"GptReplay", "gpt", {"--steps", "150", "--text", LICENSE_FILE}, "replay"},
        Case{"CnnReplay", "cnn", {"--steps", "1500"}, "replay"},
        Case{"LstmReplay", "lstm", {"--steps", "1500"}, "replay"},
        Case{"LoraReplay", "lora", {"--steps", "1500"}, "replay"},
        Case{"GptAveragedReplay",
             "gpt",
             {"--steps", "150", "--text", LICENSE_FILE, "--average", "0.99"},
             "replay"},
        Case{
            "GptBf16Replay", "gpt", {"--steps", "100", "--text", LICENSE_FILE, "--bf16"}, "replay"},
        Case{"GptMasterWeightsReplay",
             "gpt",
             {"--steps", "100", "--text", LICENSE_FILE, "--bf16-weights"},
             "replay"},
        Case{"GptMasterWeightsRounds",
             "gpt",
             {"--steps", "100", "--text", LICENSE_FILE, "--bf16-weights"},
             "rounds"},
        Case{"TiedReplay", "tied", {"--steps", "9000"}, "replay"},
        Case{"ExpertsReplay",
             "experts",
             {"--steps", "6000", "--experts", "64", "--every", "9"},
             "replay"},
        Case{"GptHandWrittenUpdateReplay",
             "gpt",
             {"--steps", "150", "--clip-head", "0.02", "--text", LICENSE_FILE},
             "replay"},
        Case{"GptStopCopy", "gpt", {"--steps", "150", "--text", LICENSE_FILE}, "stop-copy"},
        Case{"CnnRounds", "cnn", {"--steps", "1500"}, "rounds"},
        Case{"LstmRounds", "lstm", {"--steps", "1500"}, "rounds"},
        Case{"LoraRounds", "lora", {"--steps", "1500"}, "rounds"},
        Case{"TiedRounds", "tied", {"--steps", "9000"}, "rounds"},
        Case{"TiedStopCopy", "tied", {"--steps", "9000"}, "stop-copy"}),
    [](const auto& info) { return info.param.name; });

/// A trainer that goes on until it is told to end, however long its moves last.
class Endless {
 public:
  Endless(const std::filesystem::path& dir, std::string name, std::vector<std::string> more)
      : name_(std::move(name)), log_(dir / (name_ + ".losses")), end_(dir / (name_ + ".end")) {
    program_ = {trainer("plain_memory"), "--step-ms", "5"};
    program_.insert(program_.end(), more.begin(), more.end());
  }
  void start(Host& host) const {
    auto argv = program_;
    argv.insert(argv.end(),
                {"--steps", "100000000", "--loss-log", log_.string(), "--end-when", end_.string()});
    host.run_job(name_, argv);
    ASSERT_TRUE(within(30s, [&] { return host.step_of(name_) >= 3; })) << host.log();
  }
  /// After some steps at `host`: its losses are those of as many steps that nobody disturbed.
  void finish(const Host& host) const {
    ASSERT_TRUE(host.steps_again_within(name_, 30s)) << host.log();
    std::ofstream(end_).put('\n');
    ASSERT_TRUE(host.ended_within(name_, 60s)) << host.log();
    const auto found = losses(log_);
    auto alone = program_;
    const auto steps = std::ranges::count(found, '\n') - 1;  // the last line is the digest's
    alone.insert(alone.end(), {"--steps", std::to_string(steps)});
    EXPECT_EQ(found, undisturbed(alone));
  }

 private:
  std::string name_;
  std::filesystem::path log_;
  std::filesystem::path end_;
  std::vector<std::string> program_;
};

TEST(Migration, ThereAndBackTenTimesChangesNothing) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const Endless job(dir.path(), "job", {"--bytes", "2000003"});
  job.start(a);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(text(a.ask({"migrate", "job", "--to", b.at("cpu:0")}), "result"), "ok");
    EXPECT_EQ(text(b.ask({"migrate", "job", "--to", a.at("cpu:0")}), "result"), "ok");
  }
  EXPECT_EQ(number(a.job("job"), "epoch"), 11);
  job.finish(a);
}

TEST(Migration, TwoJobsPassEachOther) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const Endless left(dir.path(), "left", {"--seed", "1"});
  const Endless right(dir.path(), "right", {"--seed", "2"});
  left.start(a);
  right.start(b);
  const auto one = a.ask({"migrate", "left", "--to", b.at("cpu:0"), "--detach"});
  const auto two = b.ask({"migrate", "right", "--to", a.at("cpu:0"), "--detach"});
  const auto done = [](const Host& host, const boost::json::object& started) {
    return text(host.ask({"status", text(started, "id")}), "result") == "ok";
  };
  EXPECT_TRUE(within(60s, [&] { return done(a, one) && done(b, two); })) << a.log() << b.log();
  left.finish(b);
  right.finish(a);
}

TEST(Migration, ToAnotherDeviceOfTheSameHost) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}});
  const std::vector<std::string> program{trainer("plain_memory"), "--steps", "300", "--step-ms",
                                         "5"};
  const auto log = dir.path() / "losses";
  auto with_log = program;
  with_log.insert(with_log.end(), {"--loss-log", log.string()});
  a.run_job("job", with_log);
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  EXPECT_EQ(text(a.ask({"migrate", "job", "--to", a.at("cpu:1")}), "result"), "ok");
  EXPECT_EQ(text(a.job("job"), "device"), "cpu:1");
  ASSERT_TRUE(a.ended_within("job", 20s));
  EXPECT_EQ(losses(log), undisturbed(program));
}

}  // namespace
}  // namespace cardswap::test
