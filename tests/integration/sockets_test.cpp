/// Method: bytes that nobody should send, at every socket there is: the agent's API on its unix
/// socket and on TCP, the socket of the runtimes, and the ports of a standby. Each sender gets an
/// answer or loses its connection; beside it the job trains, the agents answer, the migration that
/// runs goes on to its end and another one works after it, bit for bit.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <memory>

#include "migrator/wire/runtime_messages.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"
#include "tests/support/raw_client.h"
#include "tests/support/raw_ucx_client.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

class Strangers : public ::testing::Test {
 protected:
  void SetUp() override {
    auto argv = program_;
    argv.insert(argv.end(), {"--loss-log", log().string()});
    a_.run_job("job", argv);
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; }));
  }

  /// The migration's id, once it is held in that state; slow enough to be disturbed.
  std::string migrate_and_hold(const std::string& state) {
    const auto id = text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0"), "--bandwidth", "32MiB/s",
                                 "--max-downtime", "none", "--hold-at", state, "--detach"}),
                         "id");
    EXPECT_TRUE(within(20s, [&] {
      const auto m = a_.ask({"status", id});
      return text(m, "state") == state && m.at("held").as_bool();
    })) << a_.log();
    return id;
  }
  std::uint16_t data_port(const std::string& id) {
    const auto answer = ask_over_tcp(b_, {.target = "/v1/peer/reservations/" + id});
    return static_cast<std::uint16_t>(number(answer.body, "data_port"));
  }
  void proceed(const std::string& id) {
    const HttpRequest request{.method = "POST", .target = "/v1/migrations/" + id + "/proceed"};
    EXPECT_EQ(ask_over_unix(a_, request).status, 200U);
  }
  /// "ok", "failed" or "cancelled"; empty when it did not end in time.
  std::string how_it_ended(const std::string& id) {
    std::string result;
    const auto is_over = [&] {
      result = text(a_.ask({"status", id}), "result");
      return !result.empty();
    };
    EXPECT_TRUE(within(30s, is_over)) << a_.log() << b_.log();
    return result;
  }
  void expect_both_agents_answer() {
    EXPECT_EQ(a_.command({"version"}).exit_code, 0);
    EXPECT_EQ(b_.command({"version"}).exit_code, 0);
  }
  /// The job moves from `from` to `to` and ends there with the losses of an undisturbed run.
  void expect_a_move_and_the_end(const Host& from, const Host& to) {
    expect_both_agents_answer();
    EXPECT_TRUE(from.steps_again_within("job", 5s)) << from.log();
    const auto moved = from.command({"migrate", "job", "--to", to.at("cpu:0")});
    EXPECT_EQ(moved.exit_code, 0) << moved.err << from.log();
    ASSERT_TRUE(to.ended_within("job", 30s));
    EXPECT_EQ(losses(log()), undisturbed(program_));
  }
  [[nodiscard]] std::filesystem::path log() const { return dir_.path() / "losses"; }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
  const std::vector<std::string> program_{
      trainer("plain_memory"), "--steps", "700", "--bytes", "8388608", "--step-ms", "8"};
};

// ---- the agent's doors

TEST_F(Strangers, AtTheApisUnixSocketDisturbNobody) {
  auto silent = RawClient::at_path(a_.dir() / "cardswapd.sock");
  for (const auto& bytes : garbage()) RawClient::at_path(a_.dir() / "cardswapd.sock").say(bytes);
  expect_a_move_and_the_end(a_, b_);
}

TEST_F(Strangers, AtTheApisTcpPortDisturbNobody) {
  const auto port = [](const Host& host) { return static_cast<std::uint16_t>(host.port()); };
  auto silent = RawClient::at_port(port(a_));
  for (const auto& bytes : garbage()) {
    RawClient::at_port(port(a_)).say(bytes);
    RawClient::at_port(port(b_)).say(bytes);
  }
  expect_a_move_and_the_end(a_, b_);
}

TEST_F(Strangers, AtTheRuntimesSocketDisturbNobody) {
  const auto path = a_.dir() / "runtime.sock";
  auto silent = RawClient::at_path(path);
  for (const auto& bytes : garbage()) RawClient::at_path(path).say(bytes);
  // Whole messages of the protocol, out of place: somebody who knows the job, and not its token.
  channel::Hello hello;
  hello.job = "job";
  hello.token = "guessed";
  for (const auto& message :
       {channel::encode(hello), channel::encode(channel::Ended{}),
        channel::encode(channel::Grant{"m-1", 9, {}}), channel::encode(channel::Released{"m-1"})}) {
    RawClient::at_path(path).say({reinterpret_cast<const char*>(message.data()), message.size()});
  }
  expect_a_move_and_the_end(a_, b_);
  EXPECT_THAT(a_.log(), HasSubstr("has that token"));
}

TEST_F(Strangers, AtTheApiAreToldWhatIsWrong) {
  const auto post = [&](const std::string& target, const std::string& body) {
    return ask_over_tcp(a_, {.method = "POST", .target = target, .body = body});
  };
  EXPECT_EQ(post("/v1/migrations", "{\"job\":").status, 400U);
  EXPECT_EQ(post("/v1/migrations", "[]").code(), "bad_request");
  EXPECT_EQ(post("/v1/migrations", std::string(100'000, '[')).code(), "bad_request");
  EXPECT_EQ(post("/v1/migrations", R"({"job": "job", "to": 7})").code(), "bad_request");
  EXPECT_EQ(post("/v1/migrations", R"({"job": "job", "to": "b:1/cpu:0", "bandwidth": -1})").code(),
            "bad_request");
  EXPECT_EQ(
      post("/v1/migrations", R"({"job": "job", "to": "b:1/cpu:0", "timeout_ms": 1e300})").code(),
      "bad_request");
  const auto unknown = post("/v1/migrations", R"({"job": "job", "to": "b:1/cpu:0", "speed": 1})");
  EXPECT_EQ(unknown.status, 400U);
  EXPECT_THAT(boost::json::serialize(unknown.body), HasSubstr("speed"));
  EXPECT_EQ(post("/v1/jobs/../../etc", "{}").status, 404U);
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/v1/migrations/m-none"}).code(), "not_found");
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/v1/jobs/job/logs?offset=here"}).code(), "bad_request");
  EXPECT_EQ(ask_over_tcp(a_, {.target = "/v1/peer/decisions/m-00000000"}).code(), "not_found");
  // Refused, or cut off while it still sends: either way nothing of it is kept.
  try {
    EXPECT_EQ(post("/v1/jobs", std::string(2 << 20, ' ')).code(), "bad_request");
  } catch (const std::exception&) {
  }
  expect_a_move_and_the_end(a_, b_);
}

TEST_F(Strangers, ThatSpeakAnotherPeerProtocolAreToldSo) {
  const auto answer = ask_over_tcp(b_, {.method = "POST",
                                        .target = "/v1/peer/reservations",
                                        .body = "{}",
                                        .headers = {{"Cardswap-Protocol", "999"}}});
  EXPECT_EQ(answer.status, 426U);
  EXPECT_EQ(answer.code(), "protocol_mismatch");
}

TEST_F(Strangers, CannotGrantAStandbyAStateThatItDoesNotHold) {
  const auto id = migrate_and_hold("verifying");
  const auto target = "/v1/peer/reservations/" + id + "/grant";
  const auto grant = [&](const std::string& body) {
    return ask_over_tcp(b_, {.method = "POST", .target = target, .body = body}).status;
  };
  EXPECT_GE(grant(R"({"epoch": 2, "root": "00000000000000000000000000000000", "step": 1})"), 400U);
  EXPECT_GE(grant(R"({"epoch": 2, "root": "short", "step": 1})"), 400U);
  EXPECT_GE(grant(R"({"epoch": 2})"), 400U);
  EXPECT_NE(text(ask_over_tcp(b_, {.target = "/v1/peer/reservations/" + id}).body, "state"),
            "granted");
  proceed(id);
  EXPECT_EQ(how_it_ended(id), "ok") << a_.log() << b_.log();
  expect_a_move_and_the_end(b_, a_);
}

// ---- a standby's doors

class AtTheDataPort : public Strangers, public ::testing::WithParamInterface<const char*> {};

/// UCX opens ports of its own beside the one it was told to listen on: those too. UCX itself aborts
/// its process on some bytes that reach its connection manager (1.13: tcp_sockcm_ep.c, a length of
/// zero with bytes behind it). That may cost the standby, and with it this migration; it must never
/// cost the job, and leave nothing behind.
TEST_P(AtTheDataPort, BytesThatAreNoUcxNeverReachTheJob) {
  const auto id = migrate_and_hold(GetParam());
  const auto ports = listening_ports(processes_of(b_.dir()));
  ASSERT_THAT(ports, Contains(Field(&ListeningPort::port, data_port(id))));
  std::vector<RawClient> silent;
  try {
    for (const auto& [host, port] : ports) {
      silent.push_back(RawClient::at_port(port, host));
      for (const auto& bytes : garbage()) RawClient::at_port(port, host).say(bytes);
    }
  } catch (const std::runtime_error&) {
    // The standby is gone.
  }
  proceed(id);
  if (how_it_ended(id) == "ok") {
    expect_a_move_and_the_end(b_, a_);
  } else {
    EXPECT_TRUE(within(5s, [&] { return processes_of(b_.dir()).empty(); }));
    EXPECT_EQ(b_.leftovers(), "");
    expect_a_move_and_the_end(a_, b_);
  }
}

TEST_P(AtTheDataPort, NoiseOnUcxsOwnPortsDisturbsNeitherStandbyNorJob) {
  const auto id = migrate_and_hold(GetParam());
  const auto data = data_port(id);
  std::vector<RawClient> silent;
  for (const auto& [host, port] : listening_ports(processes_of(b_.dir()))) {
    if (port == data) continue;
    silent.push_back(RawClient::at_port(port, host));
    for (const auto& bytes : garbage()) RawClient::at_port(port, host).say(bytes);
  }
  proceed(id);
  EXPECT_EQ(how_it_ended(id), "ok") << a_.log() << b_.log();
  expect_a_move_and_the_end(b_, a_);
}

TEST_P(AtTheDataPort, UcxPeersThatAreNoSourceAreTurnedAway) {
  const auto id = migrate_and_hold(GetParam());
  const auto port = data_port(id);
  const Layout layout({{"words", "bytes", "", 8U << 20}});
  const data::LayoutOffered hello{data::kMagic, data::kVersion, id,    "guessed",
                                  1 << 20,      true,           layout};

  RawUcxClient guesser(port);
  guesser.say(data::encode(hello));
  ASSERT_TRUE(guesser.is_turned_away_within(5s));
  ASSERT_TRUE(guesser.refusal());
  EXPECT_EQ(guesser.refusal()->code, Code::unauthorized);

  auto other_version = hello;
  other_version.version = 999;
  auto other_magic = hello;
  other_magic.magic = 1;
  auto count_of_regions = data::encode(hello);
  // The layout's count is in front of its one region: u32 + 3 empty or short strings + u64.
  const auto region_bytes = 4 + 5 + 4 + 5 + 4 + 8;
  for (std::size_t i = 0; i < 4; ++i) {
    count_of_regions[count_of_regions.size() - region_bytes - 4 + i] = std::byte{0xff};
  }
  const std::vector<std::vector<std::byte>> messages{
      data::encode(other_version),
      data::encode(other_magic),
      count_of_regions,
      std::vector<std::byte>(1, std::byte{0}),
      std::vector<std::byte>(100, std::byte{0xff}),
      std::vector<std::byte>(65U << 20, std::byte{1}),  // over what a control message may have
  };
  for (const auto& message : messages) {
    RawUcxClient stranger(port);
    stranger.say(message);
    EXPECT_TRUE(stranger.is_turned_away_within(5s)) << message.size();
  }
  for (const auto bytes : {std::size_t{1}, std::size_t{1} << 20, std::size_t{65} << 20}) {
    RawUcxClient stranger(port);
    stranger.send_chunk(data::encode(data::ChunkHeader{ChunkId{0}, 1}), bytes);
    EXPECT_TRUE(stranger.is_turned_away_within(5s)) << bytes;
  }
  RawUcxClient with_a_long_header(port);
  with_a_long_header.send_chunk(std::vector<std::byte>(2000, std::byte{7}), 100);
  EXPECT_TRUE(with_a_long_header.is_turned_away_within(5s));

  proceed(id);
  EXPECT_EQ(how_it_ended(id), "ok") << a_.log() << b_.log();
  expect_a_move_and_the_end(b_, a_);
}

INSTANTIATE_TEST_SUITE_P(In, AtTheDataPort, ::testing::Values("standby_ready", "converged"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace cardswap::test
