/// Method: 10,000 exchanges with peers that answer by chance, from a seed that is printed
/// (CARDSWAP_SEED sets it). Half one: a real agent whose jobs are sent to such a target, over and
/// over, while attached commands are ended by SIGTERM. Half two: a real target of verified states
/// whose source went silent and is asked for decisions. After it every migration has ended, every
/// job trains, nothing is reserved, and nothing was decided by what was no decision.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <list>

#include "tests/integration/reservation_host.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/liar.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;
namespace json = boost::json;

constexpr std::size_t kExchangesAsTarget = 8'500;
constexpr std::size_t kExchangesAsSource = 1'500;
constexpr int kJobs = 8;

std::uint64_t seed() {
  const char* given = std::getenv("CARDSWAP_SEED");  // NOLINT(concurrency-mt-unsafe)
  const auto seed = given != nullptr ? std::stoull(given) : std::random_device()();
  fmt::print("CARDSWAP_SEED={}\n", seed);
  return seed;
}

ScriptedPeer::Answer refusal(const ScriptedPeer::Asked&) {
  return {R"({"accepted": false, "blocked_reasons": ["closed"]})"};
}

TEST(HostilePeers, AsTargetsWedgeNoMigrationAndHarmNoJob) {
  const TempDir dir;
  const NothingOutlives guard(dir.path());
  Liar liar(seed());
  ScriptedPeer peer([&](const ScriptedPeer::Asked& asked) { return liar.as_target(asked); });
  Host a(dir.path() / "a", {.name = "gpu-a"});
  std::vector<std::string> jobs;
  for (int i = 0; i < kJobs; ++i) {
    jobs.push_back(fmt::format("job{}", i));
    a.run_job(jobs.back(), {trainer("plain_memory"), "--steps", "10000000", "--step-ms", "50",
                            "--bytes", "65536"});
  }
  for (const auto& job : jobs) {
    ASSERT_TRUE(within(20s, [&] { return a.step_of(job) >= 2; })) << a.log();
  }
  const auto running = [&] {
    return ask_over_unix(a, {.target = "/v1/migrations?running=1"})
        .body.at("migrations")
        .as_array();
  };
  struct Command {
    Child child;
    Clock::time_point ends_by;
  };
  std::list<Command> commands;
  Liar chance(1);  // of this thread
  int rounds = 0;
  const auto enough = [&] {
    for (const auto& job : jobs) {
      const auto attach = chance.chance(0.01);
      const json::object body{{"job", job}, {"to", peer.at("cpu:0")}, {"timeout_ms", 3000}};
      if (!attach) {
        (void)ask_over_unix(a, {"POST", "/v1/migrations", json::serialize(body), {}});
        continue;
      }
      commands.push_back({Child({CARDSWAP, "--agent", (a.dir() / "cardswapd.sock").string(),
                                 "migrate", job, "--to", peer.at("cpu:0")},
                                (dir.path() / "printed").string()),
                          Clock::now() + 15s});
      commands.back().child.kill(SIGTERM);
    }
    std::erase_if(commands, [](Command& command) { return command.child.ended(); });
    for (const auto& command : commands) {
      if (Clock::now() > command.ends_by) return true;
    }
    ++rounds;
    return peer.exchanges() >= kExchangesAsTarget;
  };
  EXPECT_TRUE(within(75s, enough)) << peer.exchanges() << " exchanges in " << rounds << " rounds";
  EXPECT_GE(peer.exchanges(), kExchangesAsTarget);
  EXPECT_TRUE(within(15s,
                     [&] {
                       std::erase_if(commands,
                                     [](Command& command) { return command.child.ended(); });
                       return commands.empty();
                     }))
      << commands.size() << " commands outlive SIGTERM";

  peer.follow(refusal);
  EXPECT_TRUE(within(20s, [&] { return running().empty(); })) << json::serialize(running());
  for (const auto& job : jobs) EXPECT_TRUE(a.steps_again_within(job, 5s)) << job;
  EXPECT_EQ(a.leftovers(), "");
  // Nothing that was thrown went its own way.
  EXPECT_THAT(a.log(), Not(HasSubstr("unexpected: ")));
  const auto last = a.command({"migrate", jobs.front(), "--to", peer.at("cpu:0")});
  EXPECT_EQ(last.exit_code, 3);
  EXPECT_THAT(last.err, HasSubstr("closed"));
}

TEST(HostilePeers, AsSourcesDecideNothingByWhatIsNoDecision) {
  constexpr std::size_t kHeld = 64;
  const TempDir dir;
  Liar liar(seed());
  ScriptedPeer peer([&](const ScriptedPeer::Asked&) { return liar.as_source(); });
  ReservationHost target(dir.path());
  for (std::size_t i = 0; i < kHeld; ++i) {
    ASSERT_NO_FATAL_FAILURE(target.hold(fmt::format("m-{:08x}", i), peer.address()));
  }
  EXPECT_TRUE(within(60s, [&] {
    target.run_for(200ms);
    return peer.exchanges() >= kExchangesAsSource;
  })) << peer.exchanges();
  EXPECT_EQ(target.in_state(handover::TargetState::verified), kHeld);

  peer.follow([](const ScriptedPeer::Asked&) -> ScriptedPeer::Answer {
    return {R"({"decision": "aborted", "epoch": 2, "root": "", "step": 0})"};
  });
  EXPECT_TRUE(within(20s, [&] {
    target.run_for(200ms);
    return target.in_state(handover::TargetState::failed) == kHeld;
  })) << target.in_state(handover::TargetState::failed);
  EXPECT_TRUE(within(10s, [&] {
    target.run_for(100ms);
    return target.reserved_bytes() == 0;
  }));
}

TEST(HostilePeers, AsSourcesHoldNoPlaceWhoseStandbyDoesNotPark) {
  const TempDir patient_dir;
  const TempDir strict_dir;
  ReservationHost patient(patient_dir.path());
  ReservationHost strict(strict_dir.path(), 1s);
  ASSERT_NO_FATAL_FAILURE(patient.reserve("m-0123456789abcdef", "127.0.0.1:7070"));
  ASSERT_NO_FATAL_FAILURE(strict.reserve("m-0123456789abcdef", "127.0.0.1:7070"));
  EXPECT_TRUE(within(10s, [&] {
    strict.run_with_a_source_for(100ms);
    patient.run_with_a_source_for(100ms);
    return strict.in_state(handover::TargetState::failed) == 1U && strict.reserved_bytes() == 0;
  }));
  EXPECT_EQ(patient.in_state(handover::TargetState::starting), 1U) << "it has its time";
}

}  // namespace
}  // namespace cardswap::test
