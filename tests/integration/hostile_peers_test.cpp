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

#include "agent/handover/target/reservations.h"
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

/// A target's part of an agent, without its API: standbys are programs that only wait.
class Target {
 public:
  explicit Target(const std::filesystem::path& dir) : journal_(dir / "journal.db") {
    config_.data_dir = dir;
    config_.host_name = "gpu-b";
    config_.devices = {{.name = "cpu:0"}};
  }
  ~Target() {
    tasks_.stop();
    context_.restart();
    context_.run_for(10s);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// A place, and a standby that starts in it.
  void reserve(const std::string& id, const std::string& source) {
    ApiRequest request;
    request.caller = Caller::owns("test");
    request.body = {{"migration", id},
                    {"job",
                     {{"name", id},
                      {"uid", fmt::format("{:0>32}", id.substr(2))},
                      {"argv", {"/bin/sleep", "1000"}},
                      {"cwd", "/"},
                      {"env", json::object{}}}},
                    {"device", "cpu:0"},
                    {"state_bytes", 1},
                    {"epoch", 2},
                    {"from", "gpu-a/cpu:0"},
                    {"from_api", source}};
    std::optional<Offer> offer;
    asio::co_spawn(context_,
                   reservations_.reserve(reservation_request_from(request), request.caller,
                                         {.host = "127.0.0.1", .problem = {}}, {}),
                   [&](const std::exception_ptr&, Offer made) { offer = std::move(made); });
    context_.restart();
    while (!offer) context_.run_one();
    ASSERT_TRUE(offer->accepted) << offer->blocked_reasons.front();
  }
  /// A standby that holds a whole state, from a source that is silent.
  void hold(const std::string& id, const std::string& source) {
    ASSERT_NO_FATAL_FAILURE(reserve(id, source));
    auto* standby = jobs_.by_instance(reservations_.at(id).instance);
    ASSERT_NE(standby, nullptr);
    reservations_.on_message(*standby, channel::Parked{"127.0.0.1", 9, 1});
    channel::Verified verified;
    verified.migration = id;
    verified.step = 7;
    verified.root.bytes[0] = 1;
    reservations_.on_message(*standby, verified);
    ASSERT_EQ(reservations_.at(id).side.state(), handover::TargetState::verified);
  }
  /// The sources of all have been silent for long.
  void run_for(std::chrono::milliseconds time) {
    for (const auto& r : reservations_.all()) {
      reservations_.at(r.migration).heard_at = Clock::now() - 1h;
    }
    context_.restart();
    context_.run_for(time);
  }
  /// The source asks on and on.
  void run_with_a_source_for(std::chrono::milliseconds time, std::chrono::milliseconds park_max) {
    reservations_.park_max = park_max;
    for (const auto& r : reservations_.all()) reservations_.heard(r.migration);
    context_.restart();
    context_.run_for(time);
  }
  [[nodiscard]] std::size_t in_state(handover::TargetState state) const {
    std::size_t count = 0;
    for (const auto& r : reservations_.all()) count += r.side.state() == state ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::uint64_t reserved_bytes() const {
    return jobs_.devices().all().front().reserved_bytes;
  }

 private:
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_;
  Jobs jobs_{context_, tasks_, config_, journal_, {.on_exit = [this](Instance& standby) {
               reservations_.on_exit(standby);
             }}};
  RuntimeHub hub_{context_, tasks_, jobs_, {}};
  criu::Host criu_{context_, config_, journal_};
  HandoverGate handover_gate_{context_};
  HandoverContext parts_{context_, tasks_, config_, journal_, jobs_, hub_, criu_, handover_gate_};
  Cordons cordons_{journal_};
  Migrations migrations_{parts_, {}};
  Reservations reservations_{parts_, cordons_, migrations_};
};

TEST(HostilePeers, AsSourcesDecideNothingByWhatIsNoDecision) {
  constexpr std::size_t kHeld = 64;
  const TempDir dir;
  Liar liar(seed());
  ScriptedPeer peer([&](const ScriptedPeer::Asked&) { return liar.as_source(); });
  Target target(dir.path());
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
  const TempDir dir;
  Target target(dir.path());
  ASSERT_NO_FATAL_FAILURE(target.reserve("m-0123456789abcdef", "127.0.0.1:7070"));
  target.run_with_a_source_for(1200ms, std::chrono::minutes(5));
  EXPECT_EQ(target.in_state(handover::TargetState::starting), 1U) << "it has its time";
  target.run_with_a_source_for(1200ms, 1s);
  EXPECT_EQ(target.in_state(handover::TargetState::failed), 1U);
  EXPECT_TRUE(within(10s, [&] {
    target.run_with_a_source_for(100ms, 1s);
    return target.reserved_bytes() == 0;
  }));
}

}  // namespace
}  // namespace cardswap::test
