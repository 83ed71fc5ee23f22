#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>

#include "agent/agent.h"
#include "agent/api/connections.h"
#include "agent/base/handover_gate.h"
#include "agent/security/access.h"
#include "agent/security/tokens.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// printf %s secret | sha256sum
constexpr auto kSecret = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

TEST(Access, EveryCallOfTheAgentHasARuleAndEveryRuleACall) {
  std::string pattern = "/tmp/cs-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::vector<std::string> without_rule;
  std::size_t calls = 0;
  {
    asio::io_context context;
    Config config;
    config.data_dir = pattern;
    const Agent agent(context, config);
    for (const auto& call : agent.router().routes()) {
      ++calls;
      if (!has_access_rule(call.method, call.pattern)) {
        without_rule.push_back(call.method + " " + call.pattern);
      }
    }
  }
  std::filesystem::remove_all(pattern);
  EXPECT_THAT(without_rule, IsEmpty()) << "add them to agent/security/access.cpp";
  EXPECT_EQ(calls, access_rules().size()) << "a rule is for no call, or there twice";
}

TEST(Access, ChangesAreForOperatorsAndHandoversForAgents) {
  for (const auto& rule : access_rules()) {
    const auto call = std::string(rule.method) + " " + std::string(rule.pattern);
    if (rule.pattern.starts_with("/v1/peer/")) {
      EXPECT_EQ(rule.role, ApiRole::agent) << call;
    } else if (rule.pattern == "/v1/alerts") {
      EXPECT_EQ(rule.role, ApiRole::alerts) << call;
    } else if (rule.method != "GET") {
      EXPECT_EQ(rule.role, ApiRole::operator_) << call;
    }
  }
}

TEST(Access, ACallWithoutARuleIsNotOpenToViewers) {
  EXPECT_EQ(role_for("GET", "/v1/new"), ApiRole::operator_);
  EXPECT_EQ(role_for("POST", "/v1/peer/new"), ApiRole::agent);
}

TEST(Access, ProbesNeedNoRole) {
  const Caller nobody;
  EXPECT_TRUE(nobody.may(ApiRole::anybody));
  EXPECT_FALSE(role_from_string("anybody"));
  EXPECT_TRUE(is_open_to_anybody("GET", "/healthz"));
  EXPECT_TRUE(is_open_to_anybody("GET", "/readyz?verbose"));
  EXPECT_FALSE(is_open_to_anybody("POST", "/readyz"));
  EXPECT_FALSE(is_open_to_anybody("GET", "/metrics"));
  EXPECT_FALSE(is_open_to_anybody("GET", "/healthz/../v1/jobs"));
}

TEST(Access, EachRoleHasItsOwnCallsAndNoOthers) {
  using enum ApiRole;
  const auto may = [](std::optional<ApiRole> role, ApiRole needed) {
    return Caller{.name = "x", .role = role, .owner = false}.may(needed);
  };
  for (const auto needed : {member, viewer, operator_, agent, alerts}) {
    EXPECT_TRUE(Caller::owns("root").may(needed));
    EXPECT_FALSE(may({}, needed));
    EXPECT_EQ(may(viewer, needed), needed == member || needed == viewer);
    EXPECT_EQ(may(operator_, needed), needed != agent);
    EXPECT_EQ(may(agent, needed), needed == member || needed == agent);
    EXPECT_EQ(may(alerts, needed), needed == alerts);
  }
}

TEST(Access, AnAgentSeesWhatAPlaceIsChosenByAndNoJobs) {
  const Caller agent{.name = "a", .role = ApiRole::agent, .owner = false};
  for (const auto& rule : access_rules()) {
    const auto open = rule.role == ApiRole::anybody || rule.pattern.starts_with("/v1/peer/") ||
                      rule.pattern == "/v1/devices" || rule.pattern == "/v1/version";
    EXPECT_EQ(agent.may(rule.role), open) << rule.method << " " << rule.pattern;
  }
}

TEST(Access, ACertificateIsForTheHostsThatItNames) {
  Caller caller;
  EXPECT_FALSE(caller.is_for("gpu-a"));
  caller.hosts = {"gpu-a", "10.0.0.1", "*.fleet.example"};
  for (const auto* host : {"gpu-a", "GPU-A", "10.0.0.1", "::ffff:10.0.0.1", "a.fleet.example"}) {
    EXPECT_TRUE(caller.is_for(host)) << host;
  }
  for (const auto* host : {"gpu-b", "10.0.0.2", "fleet.example", ".fleet.example",
                           "a.b.fleet.example", "*.fleet.example.org", ""}) {
    EXPECT_FALSE(caller.is_for(host)) << host;
  }
}

TEST(Tokens, AreKnownByTheirDigest) {
  const auto tokens =
      Tokens::parse(std::string("# people\nviewer ") + kSecret + " alice # laptop\n\n", "f");
  const auto alice = tokens.caller_of("Bearer secret");
  EXPECT_EQ(alice.name, "alice");
  EXPECT_EQ(alice.role, ApiRole::viewer);
  EXPECT_FALSE(alice.owner);
  for (const auto* shown :
       {"Bearer secreT", "Bearer ", "bearer secret", "Basic secret", "secret", ""}) {
    EXPECT_FALSE(tokens.caller_of(shown).is_known()) << shown;
  }
}

TEST(Tokens, RefuseALineThatMayBeATokenWithoutRepeatingIt) {
  const std::string digest(kSecret);
  for (const auto& line : std::vector<std::string>{"operator hunter2", "hunter2", "owner " + digest,
                                                   "agent " + digest, "viewer " + digest + "00"}) {
    try {
      (void)Tokens::parse("\n" + line, "tokens");
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("tokens, line 2"));
      EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
      EXPECT_THAT(error.what(), Not(HasSubstr(kSecret)));
    }
  }
}

using Room = Connections::Room;

TEST(Connections, ANewcomerTakesThePlaceOfTheOneThatWaitedLongest) {
  Connections connections({.connections = 2, .calls = 2});
  std::string dropped;
  const auto enter = [&](const std::string& name, const std::string& address) {
    return connections.enter(address, [&dropped, name] { dropped += name; });
  };
  auto first = enter("1", "a");
  auto second = enter("2", "a");
  first->start_waiting();  // said something meanwhile
  const auto third = enter("3", "b");
  EXPECT_EQ(dropped, "2");
  EXPECT_EQ(connections.count(), 2U);
  second.reset();  // notices that it was dropped
  EXPECT_EQ(connections.count(), 2U);
}

TEST(Connections, TheAddressThatHoldsMostMakesRoom) {
  Connections connections({.connections = 3, .calls = 2});
  std::string dropped;
  const auto enter = [&](const std::string& name, const std::string& address) {
    return connections.enter(address, [&dropped, name] { dropped += name; });
  };
  const auto quiet = enter("quiet", "b");
  const auto one = enter("1", "a");
  const auto two = enter("2", "a");
  const auto three = enter("3", "a");
  EXPECT_EQ(dropped, "1");
}

TEST(Connections, CallsBeingAnsweredStayAndAreBounded) {
  Connections connections({.connections = 3, .calls = 1});
  const auto enter = [&] { return connections.enter("a", [] { FAIL(); }); };
  const auto call = enter();
  const auto refused = enter();
  const auto agents = enter();
  EXPECT_EQ(call->begin_call({}), Room::given);
  EXPECT_EQ(refused->begin_call({}), Room::full);
  EXPECT_EQ(agents->begin_call({.among_agents = true}), Room::given);
  EXPECT_EQ(enter(), nullptr);
  call->start_waiting();
  EXPECT_EQ(refused->begin_call({}), Room::given);
}

TEST(Connections, OneCallersCallsLeaveRoomForOthers) {
  Connections connections(
      {.connections = 20, .calls = 3, .of_a_caller = 2, .of_an_agent = 3, .kept = 1});
  std::vector<std::unique_ptr<Connections::Slot>> slots;
  const auto calls = [&](const Connections::CallerQuota& by) {
    slots.push_back(connections.enter("a", [] { FAIL(); }));
    return slots.back()->begin_call(by);
  };
  EXPECT_EQ(calls({.caller = "viewer v"}), Room::given);
  EXPECT_EQ(calls({.caller = "viewer v"}), Room::given);
  EXPECT_EQ(calls({.caller = "viewer v"}), Room::full_for_caller);
  EXPECT_EQ(calls({.caller = "operator o"}), Room::given);
  EXPECT_EQ(calls({.caller = "operator p"}), Room::full);
  EXPECT_EQ(calls({.has_room = true}), Room::given) << "the owner";
  EXPECT_EQ(calls({.caller = "a probe", .has_room = true}), Room::full);
  const Connections::CallerQuota agent{.caller = "agent a", .is_agent = true, .among_agents = true};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(calls(agent), Room::given);
  EXPECT_EQ(calls(agent), Room::full_for_caller);
  slots.front()->start_waiting();
  EXPECT_EQ(calls({.caller = "viewer v"}), Room::full) << "the owner's call still counts";
  slots[1].reset();
  EXPECT_EQ(calls({.caller = "viewer v"}), Room::given);
}

TEST(Connections, AnAgentsLineIsDroppedLast) {
  Connections connections({.connections = 2, .calls = 2});
  std::string dropped;
  const auto enter = [&](const std::string& name) {
    return connections.enter("a", [&dropped, name] { dropped += name; });
  };
  const auto agents = enter("agent's");
  EXPECT_EQ(agents->begin_call({.among_agents = true}), Room::given);
  agents->start_waiting();
  const auto stranger = enter("1");
  stranger->start_waiting();
  const auto next = enter("2");
  EXPECT_EQ(dropped, "1");
  EXPECT_EQ(next->begin_call({.among_agents = true}), Room::given);
  next->start_waiting();
  const auto last = enter("3");
  EXPECT_EQ(dropped, "1agent's") << "where there are only agents, the one that waited longest";
}

TEST(HandoverGate, IsWaitedForToItsEndOrForSoLong) {
  asio::io_context context(1);
  HandoverGate handover_gate;
  bool waited = false;
  const auto wait = [&](std::chrono::milliseconds most) {
    waited = false;
    asio::co_spawn(context, handover_gate.wait(most),
                   [&](const std::exception_ptr&) { waited = true; });
    context.restart();
    context.poll();
  };
  wait(std::chrono::hours(1));
  EXPECT_TRUE(waited) << "nothing stands still";
  handover_gate.note("m-1", true);
  handover_gate.note("m-2", true);
  wait(std::chrono::hours(1));
  EXPECT_FALSE(waited);
  handover_gate.note("m-1", false);
  context.poll();
  EXPECT_FALSE(waited) << "the other one still does";
  handover_gate.note("m-2", false);
  context.poll();
  EXPECT_TRUE(waited);
  handover_gate.note("m-3", true);
  wait(std::chrono::milliseconds(1));
  context.run();
  EXPECT_TRUE(waited);
}

}  // namespace
}  // namespace cardswap
