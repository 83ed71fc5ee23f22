/// Method: two network namespaces that have IPv6 addresses only, besides lo's: whatever falls back
/// to IPv4 finds nobody. Real agents, real trainers; the losses of a job that was moved there and
/// back must be those of a run that was never moved. Then what has an address of its own to get
/// wrong: certificates, a listener on every address, ::1, addresses with a zone.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/fleet_certificates.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kPlain{"--steps", "1200", "--step-ms", "5"};

struct Way {
  std::string name;
  std::string program;
  std::vector<std::string> arguments;
  std::string strategy;
  std::string arrive = "standby";
};

std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }

std::vector<std::string> program(const Way& way) {
  std::vector<std::string> words{trainer(way.program)};
  words.insert(words.end(), way.arguments.begin(), way.arguments.end());
  return words;
}

HostOptions in(const NetnsPair& net, int side) {
  return {.name = side == 0 ? "a" : "b",
          .netns = net.name(side),
          .address = NetnsPair::address6(side),
          .transports = "tcp"};
}

/// At `address`, and called by its IPv4 one.
HostOptions listening(const NetnsPair& net, int side, const std::string& address) {
  return {.name = side == 0 ? "a" : "b",
          .netns = net.name(side),
          .address = address,
          .called = NetnsPair::address(side),
          .transports = "tcp"};
}

class Trainer {
 public:
  explicit Trainer(std::vector<std::string> program) : program_(std::move(program)) {}

  void start(Host& host) {
    auto words = program_;
    words.insert(words.end(), {"--loss-log", log().string()});
    host.run_job("job", words);
    ASSERT_TRUE(within(30s, [&] { return host.step_of("job") >= 3; })) << host.log();
  }
  [[nodiscard]] static boost::json::object move(const Host& from, const Host& to,
                                                std::vector<std::string> more = {}) {
    std::vector<std::string> words{"migrate",        "job",  "--to",      to.at("cpu:0"),
                                   "--max-downtime", "none", "--timeout", "60s"};
    words.insert(words.end(), more.begin(), more.end());
    return from.ask(words);
  }
  void ends_as_undisturbed_on(const Host& host) const {
    ASSERT_TRUE(host.ended_within("job", 90s)) << host.log();
    EXPECT_EQ(losses(log()), undisturbed(program_));
  }
  [[nodiscard]] std::filesystem::path log() const { return dir_.path() / "losses"; }

 private:
  TempDir dir_;
  std::vector<std::string> program_;
};

void moves_there_and_back(Host& a, Host& b) {
  Trainer job({trainer("plain_memory"), "--steps", "1200", "--step-ms", "5"});
  job.start(a);
  EXPECT_EQ(text(Trainer::move(a, b), "state"), "completed") << a.log() << b.log();
  ASSERT_TRUE(b.steps_again_within("job", 30s));
  EXPECT_EQ(text(Trainer::move(b, a), "state"), "completed") << a.log() << b.log();
  job.ends_as_undisturbed_on(a);
}

class Ipv6Only : public ::testing::TestWithParam<Way> {};

TEST_P(Ipv6Only, AJobMovesThereAndBackBitForBit) {
  const auto& way = GetParam();
  if (!std::filesystem::exists(trainer(way.program)))
    return skip_without("torch", "built without LibTorch");
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net(NetnsPair::AddressFamily::v6);
  const TempDir dir;
  Host a(dir.path() / "a", in(net, 0));
  Host b(dir.path() / "b", in(net, 1));
  if (way.arrive == "criu") {
    if (kPatience > 1)
      return skip_without("unsanitized", "a sanitizer's shadow memory is no part of an image");
    const auto problem = text(a.ask({"devices"}).at("criu").as_object(), "problem");
    if (!problem.empty()) return skip_without("criu", problem);
  }
  Trainer job(program(way));
  job.start(a);
  const auto there = Trainer::move(a, b, {"--strategy", way.strategy, "--arrive", way.arrive});
  EXPECT_EQ(text(there, "state"), "completed") << a.log() << b.log();
  ASSERT_TRUE(b.steps_again_within("job", 30s));
  const auto back = Trainer::move(b, a, {"--strategy", way.strategy, "--arrive", way.arrive});
  EXPECT_EQ(text(back, "state"), "completed") << a.log() << b.log();
  job.ends_as_undisturbed_on(a);
  EXPECT_EQ(b.leftovers(), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, Ipv6Only,
    ::testing::Values(Way{"StopCopy", "plain_memory", kPlain, "stop-copy"},
                      Way{"Rounds", "plain_memory", kPlain, "rounds"},
                      Way{"Replay", "gpt", {"--steps", "200", "--text", LICENSE_FILE}, "replay"},
                      Way{"Criu",
                          "plain_memory",
                          {"--arena", "--steps", "1200", "--step-ms", "5", "--bytes", "2000000"},
                          "rounds",
                          "criu"}),
    [](const auto& info) { return info.param.name; });

/// The source reaches the target's agent over TLS by an address that its certificate names.
TEST(Ipv6, CertificatesNameItsAddresses) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net(NetnsPair::AddressFamily::v6);
  const FleetCertificates fleet;
  const TempDir dir;
  auto options = in(net, 0);
  options.more = FleetCertificates::options(fleet.issue(ApiRole::agent, "a", {"fd77::1"}));
  Host a(dir.path() / "a", options);
  options = in(net, 1);
  options.more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"[fd77:0:0::2]"}));
  Host b(dir.path() / "b", options);
  Trainer job({trainer("plain_memory"), "--steps", "800", "--step-ms", "5"});
  job.start(a);
  EXPECT_EQ(text(Trainer::move(a, b, {"--encrypt"}), "state"), "completed") << a.log();
  job.ends_as_undisturbed_on(b);
}

/// Nobody can be sent to [::]: the standby listens where the source's agent called this one.
TEST(Ipv6, AListenerOnEveryAddressTellsTheOneThatWasCalled) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net(NetnsPair::AddressFamily::v6);
  const TempDir dir;
  const auto everywhere = [&](int side) {
    auto options = in(net, side);
    options.called = options.address;
    options.address = "::";
    return options;
  };
  Host a(dir.path() / "a", everywhere(0));
  Host b(dir.path() / "b", everywhere(1));
  moves_there_and_back(a, b);
}

TEST(Ipv4, AListenerOnEveryAddressTellsTheOneThatWasCalled) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net;
  const TempDir dir;
  // [::] is every address, IPv4 too.
  Host a(dir.path() / "a", listening(net, 0, "0.0.0.0"));
  Host b(dir.path() / "b", listening(net, 1, "::"));
  moves_there_and_back(a, b);
}

/// As of Docker's bridge: to UCX 1.13 it looks like a way to the other host, and leads back here.
TEST(Ipv4, AnAddressThatBothHostsHaveIsNoWayForData) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net;
  for (const auto side : {0, 1}) {
    const auto ip = [&](std::vector<std::string> words) {
      words.insert(words.begin(), {"ip", "-n", net.name(side)});
      const auto done = run(words);
      ASSERT_EQ(done.exit_code, 0) << done.err;
    };
    ip({"link", "add", "docker0", "type", "bridge"});
    ip({"link", "set", "docker0", "up"});
    ip({"addr", "add", "172.17.0.1/16", "dev", "docker0"});
  }
  const TempDir dir;
  Host a(dir.path() / "a", listening(net, 0, NetnsPair::address(0)));
  Host b(dir.path() / "b", listening(net, 1, NetnsPair::address(1)));
  moves_there_and_back(a, b);
}

/// UCX knows interfaces by their addresses, and these are no interface's.
TEST(Ipv4, OtherLoopbackAddressesTakeDataToo) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .address = "127.0.0.2"});
  Host b(dir.path() / "b", {.name = "b", .address = "127.0.0.3"});
  moves_there_and_back(a, b);
}

TEST(Ipv6, LoopbackServesEveryCommand) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "a", .address = "::1"});
  Host b(dir.path() / "b", {.name = "b", .address = "::1"});
  const auto by_tcp = run({CARDSWAP, "--agent", "[::1]:" + std::to_string(a.port()), "version"});
  EXPECT_EQ(by_tcp.exit_code, 0) << by_tcp.err;
  EXPECT_EQ(run({CARDSWAP, "devices", "[::1]:" + std::to_string(b.port())}).exit_code, 0);
  EXPECT_THAT(a.ask({"version"}).at("warnings").as_array(), IsEmpty());
  Trainer job({trainer("plain_memory"), "--steps", "1200", "--step-ms", "5"});
  job.start(a);
  const auto plan = Trainer::move(a, b, {"--dry-run"});
  EXPECT_TRUE(plan.at("allowed").as_bool()) << boost::json::serialize(plan);
  EXPECT_EQ(text(Trainer::move(a, b), "state"), "completed") << a.log() << b.log();
  ASSERT_TRUE(b.steps_again_within("job", 30s));
  const auto drained = run({CARDSWAP, "drain", "[::1]:" + std::to_string(b.port()), "--to",
                            "[::1]:" + std::to_string(a.port()), "--max-downtime", "none"});
  EXPECT_EQ(drained.exit_code, 0) << drained.out << drained.err;
  job.ends_as_undisturbed_on(a);
}

/// The API works there, and what cannot work is said before anything is stopped.
TEST(Ipv6, ALinkLocalAddressTakesCallsAndSaysThatItTakesNoData) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net(NetnsPair::AddressFamily::v6);
  const TempDir dir;
  Host a(dir.path() / "a", in(net, 0));
  auto options = in(net, 1);
  options.address = net.link_local(1);
  Host b(dir.path() / "b", options);
  Trainer job({trainer("plain_memory"), "--steps", "1000", "--step-ms", "5"});
  job.start(a);
  const auto plan = a.command({"migrate", "job", "--to", b.at("cpu:0"), "--dry-run"});
  EXPECT_EQ(plan.exit_code, 3);
  EXPECT_THAT(plan.out, HasSubstr("blocked: "));
  EXPECT_THAT(plan.out, HasSubstr("link-local address, and UCX connects to"));
  EXPECT_TRUE(within(5s, [&] { return !b.ask({"version"}).at("warnings").as_array().empty(); }));
  EXPECT_THAT(b.log(), HasSubstr("no job can come here"));
  job.ends_as_undisturbed_on(a);
}

TEST(Ipv6, ADataHostIsAnAddressOfItsOwn) {
  if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
  const NetnsPair net(NetnsPair::AddressFamily::v6);
  const TempDir dir;
  auto options = in(net, 0);
  Host a(dir.path() / "a", options);
  options = in(net, 1);
  options.address = net.link_local(1);
  options.more = {"--data-host", "[fd77::2]"};
  Host b(dir.path() / "b", options);
  Trainer job({trainer("plain_memory"), "--steps", "800", "--step-ms", "5"});
  job.start(a);
  EXPECT_EQ(text(Trainer::move(a, b), "state"), "completed") << a.log() << b.log();
  job.ends_as_undisturbed_on(b);

  const auto refused =
      run({CARDSWAPD, "--data-dir", (dir.path() / "c").string(), "--data-host", "gpu-b"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--data-host: 'gpu-b' is no numeric address"));
}

}  // namespace
}  // namespace cardswap::test
