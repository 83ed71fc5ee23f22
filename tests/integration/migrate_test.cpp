/// Method: two agents, real trainers, the real command. A job is moved while it trains; its losses,
/// written by whichever process computed them, must be those of a run that was never moved, bit for
/// bit, and so must the digest of everything tracked at its end.

#include <gmock/gmock.h>

#include <boost/json.hpp>

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

TEST(Migration, ThereAndBackTenTimesChangesNothing) {
  const TempDir dir;
  const std::vector<std::string> program{
      trainer("plain_memory"), "--steps", "1500", "--bytes", "2000003", "--step-ms", "5"};
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const auto log = dir.path() / "losses";
  auto with_log = program;
  with_log.insert(with_log.end(), {"--loss-log", log.string()});
  a.run_job("job", with_log);
  ASSERT_TRUE(within(10s, [&] { return a.step_of("job") >= 3; }));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(text(a.ask({"migrate", "job", "--to", b.at("cpu:0")}), "result"), "ok");
    EXPECT_EQ(text(b.ask({"migrate", "job", "--to", a.at("cpu:0")}), "result"), "ok");
  }
  EXPECT_EQ(number(a.job("job"), "epoch"), 11);
  ASSERT_TRUE(a.ended_within("job", 30s));
  EXPECT_EQ(losses(log), undisturbed(program));
}

TEST(Migration, TwoJobsPassEachOther) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a"});
  Host b(dir.path() / "b", {.name = "b"});
  const auto program = [&](const std::string& seed) {
    return std::vector<std::string>{
        trainer("plain_memory"), "--steps", "400", "--step-ms", "5", "--seed", seed};
  };
  const auto start = [&](Host& host, const std::string& name, const std::string& seed) {
    auto argv = program(seed);
    argv.insert(argv.end(), {"--loss-log", (dir.path() / name).string()});
    host.run_job(name, argv);
    ASSERT_TRUE(within(10s, [&] { return host.step_of(name) >= 3; }));
  };
  start(a, "left", "1");
  start(b, "right", "2");
  const auto one = a.ask({"migrate", "left", "--to", b.at("cpu:0"), "--detach"});
  const auto two = b.ask({"migrate", "right", "--to", a.at("cpu:0"), "--detach"});
  const auto done = [](const Host& host, const boost::json::object& started) {
    return text(host.ask({"status", text(started, "id")}), "result") == "ok";
  };
  EXPECT_TRUE(within(20s, [&] { return done(a, one) && done(b, two); })) << a.log() << b.log();
  ASSERT_TRUE(b.ended_within("left", 20s));
  ASSERT_TRUE(a.ended_within("right", 20s));
  EXPECT_EQ(losses(dir.path() / "left"), undisturbed(program("1")));
  EXPECT_EQ(losses(dir.path() / "right"), undisturbed(program("2")));
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
