/// Method: the routes over gangs that write down what they are asked; and the calls of GangClient
/// to an agent that answers as a script says.

#include "agent/gang/gang_routes.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/gang/gang_client.h"
#include "agent/gang/messages.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::gang {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kRoutedGang = "m-00000001";

Order a_go() { return {Order::Kind::go, 3, 2, 41}; }
RankStatus a_ready_rank() { return {3, RankState::ready, 41, {}}; }

class AskedGangs final : public Gangs {
 public:
  RankReport obey(const std::string& gang, std::uint32_t rank, const Order& order,
                  const std::optional<Invitation>& invitation, const Caller& caller) override {
    if (gang != kRoutedGang) throw Error(Code::not_found, "there is no such gang here");
    EXPECT_EQ(caller.name, "root");
    ranks.push_back(rank);
    orders.push_back(order);
    if (invitation) invitations.push_back(*invitation);
    return {a_ready_rank(), 7, {}, {}};
  }
  asio::awaitable<RankReport> report(std::string gang, std::uint32_t rank, std::uint64_t after,
                                     std::chrono::steady_clock::time_point,
                                     Caller caller) override {
    EXPECT_EQ(gang, kRoutedGang);
    EXPECT_EQ(caller.name, "root");
    ranks.push_back(rank);
    seen.push_back(after);
    co_return RankReport{a_ready_rank(), after + 1, Error(Code::no_memory, "full", "less"), {}};
  }
  RankFacts facts(const std::string& job, std::uint32_t rank, bool leaves, const Caller&) override {
    ranks.push_back(rank);
    RankFacts found;
    found.host = job;
    found.ranks = 3;
    found.epoch = 4;
    if (leaves) {
      JobSpec program;
      program.name = job;
      program.argv = {"train"};
      program.env["RANK"] = "1";
      found.program = program;
    }
    return found;
  }
  Order decision(const std::string& gang, std::uint32_t rank, Epoch epoch,
                 const Caller& caller) override {
    EXPECT_EQ(gang, kRoutedGang);
    EXPECT_EQ(caller.name, "root");
    ranks.push_back(rank);
    epochs.push_back(epoch);
    return a_go();
  }
  asio::awaitable<json::object> begin(MigrationRequest wanted, Caller caller) override {
    EXPECT_EQ(caller.name, "root");
    begun.push_back(std::move(wanted));
    co_return json::object{{"id", kRoutedGang}};
  }
  asio::awaitable<json::object> conducted(std::string gang, std::uint64_t after,
                                          std::chrono::steady_clock::time_point,
                                          Caller caller) override {
    EXPECT_EQ(gang, kRoutedGang);
    EXPECT_EQ(caller.name, "root");
    seen.push_back(after);
    co_return json::object{{"id", gang}, {"version", after + 1}};
  }
  json::object give_up(const std::string& gang, const Caller& caller) override {
    EXPECT_EQ(caller.name, "root");
    if (gang != kRoutedGang) throw Error(Code::not_found, "there is no such gang here");
    return json::object{{"id", gang}, {"state", "aborting"}};
  }
  std::vector<MigrationRequest> begun;
  std::vector<std::uint32_t> ranks;
  std::vector<Order> orders;
  std::vector<Epoch> epochs;
  std::vector<std::uint64_t> seen;
  std::vector<Invitation> invitations;
};

class GangRoutes : public ::testing::Test {
 protected:
  GangRoutes() { add_gang_routes(router_, gangs_); }
  ApiResponse ask(std::string method, std::string target, std::string body = "") {
    asio::io_context context;
    auto answer = asio::co_spawn(
        context,
        router_.handle(std::move(method), std::move(target), std::move(body), Caller::owns("root")),
        asio::use_future);
    context.run();
    return answer.get();
  }

  AskedGangs gangs_;
  Router router_;
};

TEST_F(GangRoutes, TakeAnOrderAndAnswerWithTheRank) {
  const auto answer =
      ask("POST", "/v1/peer/gangs/m-00000001/ranks/12/order", json::serialize(to_json(a_go())));
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(rank_status_from("here", answer.body), a_ready_rank());
  EXPECT_THAT(gangs_.ranks, ::testing::ElementsAre(12U));
  EXPECT_THAT(gangs_.orders, ::testing::ElementsAre(a_go()));
}

TEST_F(GangRoutes, TakeAnInvitationWithTheOrderToJoin) {
  Invitation sent;
  sent.job = "ddp";
  sent.ranks = 3;
  sent.part = Part::leaves;
  sent.conductor = "10.0.0.1:7070";
  sent.rendezvous = "10.0.0.1:4242";
  sent.moved = {1};
  sent.spec.to = "10.0.0.2:7070/cpu:0";
  sent.newcomer = {"10.0.0.2", 4711, "token", ""};
  sent.addresses = {"10.0.0.2"};
  sent.handover_ms = 12.5;
  auto body = to_json(Order{Order::Kind::join, 3, 2, 0});
  body["invitation"] = to_json(sent);
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/m-00000001/ranks/1/order", json::serialize(body)).status,
            200U);
  ASSERT_THAT(gangs_.invitations, SizeIs(1));
  const auto& read = gangs_.invitations.front();
  EXPECT_EQ(json::serialize(to_json(read)), json::serialize(to_json(sent)));
  for (const auto* field : {"job", "ranks", "part", "conductor", "rendezvous"}) {
    auto odd = body;
    odd["invitation"].as_object()[field] = "no such thing ";
    const auto answer =
        ask("POST", "/v1/peer/gangs/m-00000001/ranks/1/order", json::serialize(odd));
    EXPECT_EQ(answer.status, 400U) << field;
    EXPECT_THAT(json::serialize(answer.body), Not(HasSubstr("no such thing"))) << field;
  }
}

TEST_F(GangRoutes, TellARankOnceItHasChanged) {
  const auto answer = ask("GET", "/v1/peer/gangs/m-00000001/ranks/2?after=41&wait_ms=300");
  EXPECT_EQ(answer.status, 200U);
  const auto report = rank_report_from("here", answer.body);
  EXPECT_EQ(report.status, a_ready_rank());
  EXPECT_EQ(report.version, 42U);
  ASSERT_TRUE(report.why.has_value());
  EXPECT_EQ(report.why->code(), Code::no_memory);
  EXPECT_THAT(gangs_.seen, ::testing::ElementsAre(41U));
}

TEST_F(GangRoutes, TellTheFactsOfARankAndOfItsProgramToWhoMovesIt) {
  const auto stays = rank_facts_from("here", ask("GET", "/v1/peer/ranks/ddp/2").body);
  EXPECT_EQ(stays.ranks, 3U);
  EXPECT_FALSE(stays.program.has_value());
  const auto leaves = rank_facts_from("here", ask("GET", "/v1/peer/ranks/ddp/2?leaves=1").body);
  ASSERT_TRUE(leaves.program.has_value());
  EXPECT_EQ(leaves.program->env.at("RANK"), "1");
  EXPECT_EQ(ask("GET", "/v1/peer/ranks/ddp/4294967296").status, 400U);
  EXPECT_THROW((void)rank_facts_from("here", json::array{}), Error);
}

TEST_F(GangRoutes, AnswerWithTheOrderThatIsDue) {
  const auto answer = ask("GET", "/v1/peer/gangs/m-00000001/ranks/0/decision?epoch=3");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(order_from("here", answer.body), a_go());
  EXPECT_THAT(gangs_.epochs, ::testing::ElementsAre(3U));
}

TEST_F(GangRoutes, PassOnWhatAnOperatorAsksOfAnotherAgent) {
  const auto begun =
      ask("POST", "/v1/peer/gangs", R"({"job": "ddp/0,2", "to": "b:7070/cpu:0,c:7070/cpu:0"})");
  EXPECT_EQ(begun.status, 202U);
  ASSERT_THAT(gangs_.begun, SizeIs(1));
  EXPECT_EQ(gangs_.begun.front().spec.job, "ddp/0,2");
  EXPECT_EQ(gangs_.begun.front().spec.to, "b:7070/cpu:0,c:7070/cpu:0");
  EXPECT_EQ(ask("POST", "/v1/peer/gangs", R"({"job": "ddp/0"})").status, 400U);
  const auto shown = ask("GET", "/v1/peer/gangs/m-00000001?after=41&wait_ms=300");
  EXPECT_EQ(shown.status, 200U);
  EXPECT_EQ(shown.body.at("version").to_number<int>(), 42);
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/m-00000001/cancel").body.at("state").as_string(),
            "aborting");
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/m-00000002/cancel").status, 404U);
  EXPECT_EQ(ask("GET", "/v1/peer/gangs/gpt").status, 400U);
}

TEST_F(GangRoutes, AreForAgentsAlone) {
  for (const auto& route : router_.routes()) {
    EXPECT_EQ(role_for(route.method, route.pattern), ApiRole::agent) << route.pattern;
  }
}

TEST_F(GangRoutes, TakeNothingOfAnotherForm) {
  const auto order = json::serialize(to_json(a_go()));
  for (const auto* rank : {"-1", "1x", "+1", "0x1", "%201", "1048576", "99999999999999999999"}) {
    const auto path = std::string("/v1/peer/gangs/m-00000001/ranks/") + rank;
    const auto answer = ask("POST", path + "/order", order);
    EXPECT_EQ(answer.status, 400U) << rank;
    EXPECT_THAT(json::serialize(answer.body), HasSubstr("'rank'"));
    EXPECT_EQ(ask("GET", path + "/decision?epoch=3").status, 400U) << rank;
  }
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/gpt/ranks/0/order", order).status, 400U);
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/m-00000001/ranks/0/order", "{}").status, 400U);
  for (const auto* query : {"", "?epoch=", "?epoch=-1", "?epoch=3.5", "?epoch=1000000000000001"}) {
    const auto path = std::string("/v1/peer/gangs/m-00000001/ranks/0/decision") + query;
    EXPECT_EQ(ask("GET", path).status, 400U) << query;
  }
  EXPECT_THAT(gangs_.ranks, IsEmpty());
  EXPECT_EQ(ask("POST", "/v1/peer/gangs/m-00000002/ranks/0/order", order).status, 404U);
}

/// Calls `ask` with a client, of the agent that `script` plays.
auto answer_of_agent(const test::ScriptedPeer& agent, auto ask) {
  asio::io_context io;
  TaskGroup tasks(io);
  GangClient client(tasks);
  const auto host = http::Endpoint::tcp("127.0.0.1", agent.port());
  auto said = asio::co_spawn(io, ask(client, RankRef{host, kRoutedGang, 12}), asio::use_future);
  io.run();
  return said.get();
}

TEST(GangClient, SendsAnOrderAndReadsTheRank) {
  const test::ScriptedPeer agent([](const auto&) {
    return test::ScriptedPeer::Answer{json::serialize(to_json(a_ready_rank()))};
  });
  const auto report = answer_of_agent(agent, [](GangClient& client, RankRef rank) {
    return client.order(std::move(rank), a_go());
  });
  EXPECT_EQ(report.status, a_ready_rank());
  ASSERT_THAT(agent.asked(), SizeIs(1));
  const auto asked = agent.asked().front();
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.target, "/v1/peer/gangs/m-00000001/ranks/12/order");
  EXPECT_EQ(asked.protocol, "1");
  EXPECT_EQ(order_from(json::parse(asked.body).as_object()), a_go());
}

TEST(GangClient, AsksForADecisionAndReadsTheOrder) {
  const test::ScriptedPeer agent(
      [](const auto&) { return test::ScriptedPeer::Answer{json::serialize(to_json(a_go()))}; });
  const auto order = answer_of_agent(
      agent, [](GangClient& client, RankRef rank) { return client.decision(std::move(rank), 3); });
  EXPECT_EQ(order, a_go());
  ASSERT_THAT(agent.asked(), SizeIs(1));
  EXPECT_EQ(agent.asked().front().method, "GET");
  EXPECT_EQ(agent.asked().front().target, "/v1/peer/gangs/m-00000001/ranks/12/decision?epoch=3");
}

TEST(GangClient, HasAConductorDoWhatAnOperatorAsked) {
  const test::ScriptedPeer agent(
      [](const auto&) { return test::ScriptedPeer::Answer{R"({"id": "m-00000001"})"}; });
  const auto id = [](const json::object& migration) { return migration.at("id").as_string(); };
  EXPECT_EQ(id(answer_of_agent(agent,
                               [](GangClient& client, RankRef rank) {
                                 return client.begin(std::move(rank.agent), {{"job", "ddp/0,2"}});
                               })),
            kRoutedGang);
  EXPECT_EQ(id(answer_of_agent(agent,
                               [](GangClient& client, RankRef rank) {
                                 return client.shown(std::move(rank.agent), rank.gang, 4,
                                                     std::chrono::milliseconds(300));
                               })),
            kRoutedGang);
  EXPECT_EQ(id(answer_of_agent(agent,
                               [](GangClient& client, RankRef rank) {
                                 return client.cancel(std::move(rank.agent), rank.gang);
                               })),
            kRoutedGang);
  std::vector<std::string> targets;
  for (const auto& asked : agent.asked()) targets.push_back(asked.method + " " + asked.target);
  EXPECT_THAT(targets, ::testing::ElementsAre("POST /v1/peer/gangs",
                                              "GET /v1/peer/gangs/m-00000001?after=4&wait_ms=300",
                                              "POST /v1/peer/gangs/m-00000001/cancel"));
}

TEST(GangClient, TakesNoMigrationWithoutAnId) {
  for (const auto* body : {"[]", "{}", R"({"id": "../x"})"}) {
    const test::ScriptedPeer agent([&](const auto&) { return test::ScriptedPeer::Answer{body}; });
    const auto cancel = [](GangClient& client, RankRef rank) {
      return client.cancel(std::move(rank.agent), rank.gang);
    };
    EXPECT_THROW((void)answer_of_agent(agent, cancel), Error) << body;
  }
}

TEST(GangClient, TakesWhatIsNoAnswerForNone) {
  for (const auto* body : {"[]", "{}", R"({"order": "march", "epoch": 3, "own_epoch": 2})"}) {
    const test::ScriptedPeer agent([&](const auto&) { return test::ScriptedPeer::Answer{body}; });
    try {
      (void)answer_of_agent(agent, [](GangClient& client, RankRef rank) {
        return client.decision(std::move(rank), 3);
      });
      ADD_FAILURE() << body;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::protocol_mismatch) << body;
      EXPECT_THAT(error.failure(), Not(HasSubstr("march")));
    }
  }
}

}  // namespace
}  // namespace cardswap::gang
