/// Method: a thousand real sockets on the TCP port of each of two agents, half of them asking, half
/// dawdling over a request that never ends, while a job moves from one to the other. It must move,
/// its losses must be those of a run left alone, and the command must get in through the unix
/// socket all the time. Prints the downtime under that load over the one without it,
/// the median of some turns of both.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/load_generator.h"
#include "tests/support/raw_client.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 1000;
constexpr int kTurns = 3;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class ApiLoad : public ::testing::Test {
 protected:
  /// Moves a fresh job from a to b and returns what the migration said.
  boost::json::object move(const std::string& name) {
    const std::vector<std::string> program{trainer("plain_memory"), "--steps", "800", "--step-ms",
                                           "5"};
    const auto expected = undisturbed(program);
    auto with_log = program;
    const auto log = dir_.path() / name;
    with_log.insert(with_log.end(), {"--loss-log", log.string()});
    a_.run_job(name, with_log);
    EXPECT_TRUE(within(30s, [&] { return a_.step_of(name) >= 3; }));
    auto moved = a_.ask(
        {"migrate", name, "--to", b_.at("cpu:0"), "--max-downtime", "none", "--timeout", "90s"});
    EXPECT_TRUE(b_.ended_within(name, 60s)) << b_.log();
    EXPECT_EQ(losses(log), expected);
    return moved;
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(ApiLoad, AThousandClientsSlowOnesIncludedDoNotStopAMigration) {
  std::vector<double> alone;
  std::vector<double> crowded;
  // In turns, so that what else this machine does falls on both.
  for (int turn = 0; turn < kTurns; ++turn) {
    const auto number_of = std::to_string(turn);
    alone.push_back(number(move("alone-" + number_of), "downtime_ms"));
    const LoadGenerator at_source(static_cast<std::uint16_t>(a_.port()), kClients / 2,
                                  kClients / 2);
    const LoadGenerator at_target(static_cast<std::uint16_t>(b_.port()), kClients / 2,
                                  kClients / 2);
    ASSERT_TRUE(within(30s,
                       [&] {
                         return at_source.answers() > 500 && at_target.answers() > 500 &&
                                at_source.thrown_out() > 100;
                       }))
        << at_source.answers() << " answers, " << at_source.thrown_out() << " thrown out";
    const auto start = Clock::now();
    EXPECT_EQ(a_.command({"jobs"}).exit_code, 0);  // through the unix socket
    EXPECT_LT(Clock::now() - start, 5s);
    const auto moved = move("crowded-" + number_of);
    EXPECT_EQ(text(moved, "state"), "completed");
    crowded.push_back(number(moved, "downtime_ms"));
  }
  std::cout << R"({"figure": "downtime_under_api_load_ratio", "value": )"
            << median(crowded) / median(alone) << R"(, "alone_ms": )" << median(alone)
            << R"(, "crowded_ms": )" << median(crowded) << R"(, "turns": )" << kTurns
            << R"(, "clients": )" << 2 * kClients << "}\n";
}

TEST_F(ApiLoad, ARequestThatNeverEndsIsGivenUp) {
  auto slow = RawClient::at_port(static_cast<std::uint16_t>(a_.port()));
  slow.say("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n");
  EXPECT_TRUE(within(15s, [&] { return slow.was_closed(); }));
  auto body = RawClient::at_port(static_cast<std::uint16_t>(a_.port()));
  body.say(
      "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\n\r\n{");
  EXPECT_TRUE(within(30s, [&] { return body.was_closed(); }));
}

TEST_F(ApiLoad, HeadersAndBodiesAreBounded) {
  const HttpRequest body{
      .method = "POST", .target = "/v1/jobs", .body = std::string((1 << 20) + 1, ' ')};
  EXPECT_EQ(ask_over_unix(a_, body).status, 400U);
  const HttpRequest header{
      .method = "GET", .target = "/v1/jobs", .headers = {{"X-Long", std::string(20'000, 'x')}}};
  EXPECT_EQ(ask_over_unix(a_, header).status, 400U);
}

}  // namespace
}  // namespace cardswap::test
