/// Method: two agents, real trainers, the real CRIU. A job that registers nothing but its memory is
/// moved with its process; its losses, written by whichever process computed them to a file that
/// stays open all the way, must be those of a run that was never moved, bit for bit.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>
#include <optional>

#include "tests/support/hosts.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// Why CRIU cannot work on this machine; none: it can.
std::optional<Lack> no_criu(const Host& host) {
  if (kPatience > 1)
    return Lack{"unsanitized", "a sanitizer's shadow memory is no part of an image"};
  const auto tool = host.ask({"devices"}).at("criu").as_object();
  if (const auto problem = text(tool, "problem"); !problem.empty()) return Lack{"criu", problem};
  return std::nullopt;
}

std::vector<std::string> program(const std::string& steps, const std::string& bytes = "2000000") {
  return {trainer("plain_memory"), "--arena", "--steps", steps, "--bytes", bytes, "--step-ms", "5"};
}

class MovedProcess : public ::testing::Test {
 protected:
  void start(const std::vector<std::string>& what, Host& host) {
    auto argv = what;
    argv.insert(argv.end(), {"--loss-log", log().string()});
    host.run_job("job", argv);
    ASSERT_TRUE(within(20s, [&] { return host.step_of("job") >= 3; })) << host.log();
  }
  static boost::json::object move(const Host& from, const Host& to,
                                  const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"migrate",  "job",  "--to",           to.at("cpu:0"),
                                   "--arrive", "criu", "--max-downtime", "none"};
    words.insert(words.end(), more.begin(), more.end());
    return from.ask(words);
  }
  /// Held there; the migration's id.
  static std::string held_at(const std::string& phase, const Host& from, const Host& to) {
    const auto id = text(move(from, to, {"--hold-at", phase, "--detach"}), "id");
    const auto is_held = [&] { return from.ask({"status", id}).at("held").as_bool(); };
    EXPECT_TRUE(within(20s, is_held)) << phase << from.log();
    return id;
  }
  [[nodiscard]] std::filesystem::path log() const { return dir.path() / "losses"; }

  TempDir dir;
  NothingOutlives guard{dir.path()};
};

TEST_F(MovedProcess, GoesOnBitForBit) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("800"), a);

  const auto moved = move(a, b);

  EXPECT_EQ(text(moved, "state"), "completed");
  EXPECT_EQ(text(moved, "arrive"), "criu");
  const auto& parts = moved.at("process").as_object();
  for (const auto* part : {"freeze_ms", "dump_ms", "ship_ms", "restore_ms", "verify_ms"}) {
    EXPECT_GT(number(parts, part), 0) << part;
  }
  EXPECT_GT(number(parts, "image_bytes"), 0);
  // The process that was restored is another host's, with another clock: its ten steps are told.
  EXPECT_EQ(number(moved, "steps_after"), 10);
  EXPECT_GE(number(moved, "stall_ms"), 0.9 * number(moved, "downtime_ms"));
  EXPECT_EQ(text(a.job("job"), "state"), "moved");
  ASSERT_TRUE(b.ended_within("job", 60s)) << b.log();
  EXPECT_EQ(text(b.job("job"), "state"), "ended") << b.log();
  EXPECT_EQ(losses(log()), undisturbed(program("800")));
}

TEST_F(MovedProcess, TenTimesInARow) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("4000"), a);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(text(move(a, b), "result"), "ok") << a.log() << b.log();
    EXPECT_EQ(text(move(b, a), "result"), "ok") << a.log() << b.log();
  }
  EXPECT_EQ(number(a.job("job"), "epoch"), 11);
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("4000")));
}

TEST_F(MovedProcess, FromHostToHost) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net;
  Host a(dir.path() / "a", {.name = "a", .netns = net.name(0), .address = net.address(0)});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b", .netns = net.name(1), .address = net.address(1)});
  start(program("1200"), a);
  EXPECT_EQ(text(move(a, b), "result"), "ok") << a.log() << b.log();
  EXPECT_EQ(text(move(b, a), "result"), "ok") << a.log() << b.log();
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("1200")));
}

/// A LibTorch trainer whose data, counters, random numbers, second log file and thread are its own
/// business.
TEST_F(MovedProcess, GoesOnThoughItRegistersItsTensorsOnly) {
  if (!std::filesystem::exists(trainer("transparent")))
    return skip_without("torch", "built without LibTorch");
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net;
  Host a(dir.path() / "a", {.name = "a", .netns = net.name(0), .address = net.address(0)});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b", .netns = net.name(1), .address = net.address(1)});
  const std::vector<std::string> what{trainer("transparent"), "--steps", "1500", "--step-ms", "10"};
  const auto own = dir.path() / "own";
  auto with_own = what;
  with_own.insert(with_own.end(), {"--own-log", own.string()});
  start(with_own, a);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(text(move(a, b), "result"), "ok") << a.log() << b.log();
    ASSERT_EQ(text(move(b, a), "result"), "ok") << a.log() << b.log();
  }
  ASSERT_TRUE(a.ended_within("job", 90s));
  EXPECT_EQ(number(a.job("job"), "exit_code"), 0);
  const auto expected = undisturbed(what);
  EXPECT_EQ(losses(log()), expected);
  EXPECT_EQ(losses(own), expected.substr(0, expected.find("digest")));
}

TEST_F(MovedProcess, StaysWhereTheTargetCannotRestore) {
  Host a(dir.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  const auto path = text(a.ask({"devices"}).at("criu").as_object(), "path");
  const auto broken = dir.path() / "criu";
  std::ofstream(broken) << "#!/bin/sh\n[ \"$1\" = swrk ] && exit 3\nexec " << path << " \"$@\"\n";
  std::filesystem::permissions(broken, std::filesystem::perms::owner_all);
  Host b(dir.path() / "b", {.name = "b", .more = {"--criu", broken.string()}});
  start(program("1500"), a);

  const auto outcome = a.command(
      {"migrate", "job", "--to", b.at("cpu:0"), "--arrive", "criu", "--max-downtime", "none"});

  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("restore the process on b"));
  EXPECT_TRUE(a.steps_again_within("job", 5s)) << a.log();
  EXPECT_EQ(b.leftovers(), "");
  const auto plan = a.ask({"migrate", "job", "--to", a.at("cpu:1"), "--arrive", "criu",
                           "--max-downtime", "none", "--dry-run"});
  EXPECT_EQ(text(plan, "arrive"), "criu");
  EXPECT_EQ(text(plan, "strategy"), "rounds");
  for (const auto& prediction : plan.at("predictions").as_array()) {
    EXPECT_NE(text(prediction.as_object(), "strategy"), "replay");  // a holder has no program
  }
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("1500")));
}

TEST_F(MovedProcess, IsRefusedWithReasons) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b", .more = {"--criu", "none"}});
  a.run_job("job", {trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  ASSERT_TRUE(within(20s, [&] { return a.step_of("job") >= 3; }));
  const auto outcome = a.command(
      {"-o", "json", "migrate", "job", "--to", b.at("cpu:0"), "--arrive", "criu", "--dry-run"});
  EXPECT_THAT(outcome.out, HasSubstr("there is no CRIU here"));
  EXPECT_THAT(outcome.out, HasSubstr("nothing that job job tracks can go ahead"));
}

TEST_F(MovedProcess, CanBeCancelledInEveryPhase) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("4000"), a);
  for (const std::string phase : {"departing", "dumping", "shipping", "restoring"}) {
    const auto id = held_at(phase, a, b);
    ASSERT_FALSE(HasFailure()) << phase;
    EXPECT_EQ(a.command({"cancel", id}).exit_code, 0) << phase;
    EXPECT_TRUE(a.steps_again_within("job", 5s)) << phase << a.log();
    EXPECT_TRUE(within(10s, [&] { return text(a.ask({"status", id}), "state") == "aborted"; }));
    EXPECT_TRUE(within(5s, [&] { return b.leftovers().empty(); })) << phase << b.leftovers();
  }
  EXPECT_EQ(text(move(a, b), "result"), "ok");
  ASSERT_TRUE(b.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("4000")));
}

TEST_F(MovedProcess, GoesOnWhenTheSourcesAgentIsKilled) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("5000"), a);
  for (const std::string phase : {"departing", "dumping", "shipping", "restoring"}) {
    const auto id = held_at(phase, a, b);
    ASSERT_FALSE(HasFailure()) << phase;
    a.kill_agent(SIGKILL);
    a.start_agent();
    EXPECT_TRUE(a.steps_again_within("job", 5s)) << phase << a.log();
    EXPECT_TRUE(within(15s, [&] { return text(a.ask({"status", id}), "state") == "aborted"; }));
    EXPECT_TRUE(within(15s, [&] { return b.leftovers().empty(); })) << phase << b.leftovers();
  }
  EXPECT_EQ(text(move(a, b), "result"), "ok");
  ASSERT_TRUE(b.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("5000")));
}

TEST_F(MovedProcess, GoesOnWhenTheTargetsAgentIsKilled) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("4000"), a);
  for (const std::string phase : {"dumping", "shipping", "restoring"}) {
    const auto id = held_at(phase, a, b);
    ASSERT_FALSE(HasFailure()) << phase;
    b.kill_agent(SIGKILL);
    EXPECT_TRUE(a.steps_again_within("job", 5s)) << phase << a.log();
    b.start_agent();
    EXPECT_TRUE(within(5s, [&] { return b.leftovers().empty(); })) << phase << b.leftovers();
    EXPECT_TRUE(within(15s, [&] { return text(a.ask({"status", id}), "state") == "aborted"; }));
  }
  EXPECT_EQ(text(move(a, b), "result"), "ok");
  ASSERT_TRUE(b.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("4000")));
}

/// CRIU takes a second longer to begin, so that the agent dies, comes back and lets the job go on
/// before CRIU stops it, or while it works on it.
TEST_F(MovedProcess, GoesOnWhenItsAgentIsKilledDuringTheDump) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  const auto path = text(a.ask({"devices"}).at("criu").as_object(), "path");
  const auto slow = dir.path() / "criu";
  std::ofstream(slow) << "#!/bin/sh\n[ \"$1\" = swrk ] && sleep 1\nexec " << path << " \"$@\"\n";
  std::filesystem::permissions(slow, std::filesystem::perms::owner_all);
  Host b(dir.path() / "b", {.name = "b", .more = {"--criu", slow.string()}});
  start(program("4000"), a);
  EXPECT_EQ(text(move(a, b), "result"), "ok");
  const auto phase_of = [&](const std::string& id) {
    return text(b.ask({"status", id}).at("progress").as_object(), "phase");
  };
  for (const auto wait : {0ms, 1000ms}) {
    const auto id = text(move(b, a, {"--detach"}), "id");
    ASSERT_TRUE(within(20s, [&] { return phase_of(id) == "dumping"; })) << b.log();
    const auto until = std::chrono::steady_clock::now() + wait;
    (void)within(5s, [&] { return std::chrono::steady_clock::now() >= until; });
    b.kill_agent(SIGKILL);
    b.start_agent();
    EXPECT_TRUE(b.steps_again_within("job", 5s)) << b.log();
    EXPECT_TRUE(within(40s, [&] { return text(b.ask({"status", id}), "state") == "aborted"; }));
    EXPECT_TRUE(b.steps_again_within("job", 5s)) << b.log();
  }
  ASSERT_TRUE(b.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("4000")));
}

TEST_F(MovedProcess, EndsAsItEndsAfterItsAgentsRestart) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("1500"), a);
  EXPECT_EQ(text(move(a, b), "result"), "ok");
  b.kill_agent(SIGKILL);
  b.start_agent();
  EXPECT_TRUE(b.steps_again_within("job", 5s));
  EXPECT_EQ(text(move(b, a), "result"), "ok") << b.log();
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(number(a.job("job"), "exit_code"), 0);
  EXPECT_EQ(losses(log()), undisturbed(program("1500")));
}

TEST_F(MovedProcess, GoesToAnotherDeviceOfItsHost) {
  Host a(dir.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  start(program("1000"), a);
  EXPECT_EQ(text(a.ask({"migrate", "job", "--to", a.at("cpu:1"), "--arrive", "criu",
                        "--max-downtime", "none"}),
                 "result"),
            "ok")
      << a.log();
  EXPECT_EQ(text(a.job("job"), "device"), "cpu:1");
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("1000")));
}

/// What the job prints goes on in the target's log, and nothing else is in it.
TEST_F(MovedProcess, PrintsOnWhereItIs) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  a.run_job("job", program("1000"));  // losses to stdout
  ASSERT_TRUE(within(20s, [&] { return a.step_of("job") >= 3; }));
  const auto moved = move(a, b);
  ASSERT_TRUE(b.ended_within("job", 60s));
  const auto printed = a.command({"logs", "job"}).out + b.command({"logs", "job"}).out;
  EXPECT_EQ(printed, undisturbed(program("1000")));
}

/// It is known by what it runs on and not by who held its memory for it: its program may be started
/// anew elsewhere, where it registers its state.
TEST_F(MovedProcess, MayGoOnInAStandbyAfterwards) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("1500"), a);
  EXPECT_EQ(text(move(a, b), "result"), "ok") << a.log() << b.log();
  EXPECT_EQ(text(b.job("job"), "framework"), "none");
  const auto moved = b.ask(
      {"migrate", "job", "--to", a.at("cpu:0"), "--arrive", "standby", "--max-downtime", "none"});
  EXPECT_EQ(text(moved, "arrive"), "standby");
  EXPECT_EQ(text(moved, "result"), "ok") << a.log() << b.log();
  ASSERT_TRUE(a.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("1500")));
}

TEST_F(MovedProcess, IsSealedWhereThatIsAsked) {
  Host a(dir.path() / "a", {.name = "a"});
  if (const auto lack = no_criu(a)) return skip_without(*lack);
  Host b(dir.path() / "b", {.name = "b"});
  start(program("1000"), a);
  EXPECT_EQ(text(move(a, b, {"--encrypt"}), "result"), "ok") << a.log() << b.log();
  ASSERT_TRUE(b.ended_within("job", 60s));
  EXPECT_EQ(losses(log()), undisturbed(program("1000")));
}

}  // namespace
}  // namespace cardswap::test
