#include "agent/gang/gang_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/placement/device_json.h"

namespace cardswap::gang {
namespace {

constexpr std::chrono::seconds kOrderMax{3};
constexpr std::chrono::seconds kDecisionMax{2};
constexpr std::chrono::seconds kBeginMax{60};  // it asks the agents of all ranks

std::string path_of(const RankRef& rank) {
  return fmt::format("/v1/peer/gangs/{}/ranks/{}", http::percent_encoded(rank.gang), rank.rank);
}

/// A migration in the answer of the agent at `agent`, of which only its id is read here.
boost::json::object migration_from(const std::string& agent, const boost::json::value& answer) {
  if (answer.is_object() && validate::is_migration_id(text_at(answer.get_object(), "id"))) {
    return answer.get_object();
  }
  throw Error(Code::protocol_mismatch, fmt::format("the agent at {} gave no migration", agent),
              "is it a cardswapd of this release that listens there?");
}

}  // namespace

asio::awaitable<RankReport> GangClient::order(RankRef rank, Order order,
                                              std::optional<Invitation> invitation) {
  http::Request request;
  request.method = "POST";
  request.target = path_of(rank) + "/order";
  auto body = to_json(order);
  if (invitation) body["invitation"] = to_json(*invitation);
  request.body = std::move(body);
  request.timeout = kOrderMax;
  const auto answer = co_await ask(rank.agent, std::move(request));
  co_return rank_report_from(rank.agent.text(), answer);
}

asio::awaitable<RankReport> GangClient::report(RankRef rank, std::uint64_t after,
                                               std::chrono::milliseconds wait) {
  http::Request request;
  request.target = path_of(rank) + fmt::format("?after={}&wait_ms={}", after, wait.count());
  request.timeout = kOrderMax + wait;
  const auto answer = co_await ask(rank.agent, std::move(request));
  co_return rank_report_from(rank.agent.text(), answer);
}

asio::awaitable<RankFacts> GangClient::facts(http::Endpoint agent, std::string job,
                                             std::uint32_t rank, bool leaves) {
  http::Request request;
  request.target = fmt::format("/v1/peer/ranks/{}/{}?leaves={}", http::percent_encoded(job), rank,
                               leaves ? 1 : 0);
  request.timeout = kOrderMax;
  const auto name = agent.text();
  const auto answer = co_await ask(std::move(agent), std::move(request));
  co_return rank_facts_from(name, answer);
}

asio::awaitable<Order> GangClient::decision(RankRef rank, Epoch epoch) {
  http::Request request;
  request.target = path_of(rank) + fmt::format("/decision?epoch={}", epoch);
  request.timeout = kDecisionMax;
  const auto answer = co_await ask(rank.agent, std::move(request));
  co_return order_from(rank.agent.text(), answer);
}

asio::awaitable<std::vector<PlacementDevice>> GangClient::devices(http::Endpoint agent) {
  http::Request request;
  request.target = "/v1/devices";
  request.timeout = kOrderMax;
  const auto name = agent.text();
  const auto answer = co_await ask(std::move(agent), std::move(request));
  std::vector<PlacementDevice> all;
  if (!answer.is_object()) co_return all;
  for (const auto& item : array_at(answer.get_object(), "devices")) {
    if (!item.is_object()) continue;
    if (auto device = device_from(item.get_object(), name)) all.push_back(std::move(*device));
  }
  co_return all;
}

asio::awaitable<boost::json::object> GangClient::begin(http::Endpoint conductor,
                                                       boost::json::object body) {
  http::Request request;
  request.method = "POST";
  request.target = "/v1/peer/gangs";
  request.body = std::move(body);
  request.timeout = kBeginMax;
  const auto name = conductor.text();
  const auto answer = co_await ask(std::move(conductor), std::move(request), true);
  co_return migration_from(name, answer);
}

asio::awaitable<boost::json::object> GangClient::shown(http::Endpoint conductor, std::string gang,
                                                       std::uint64_t after,
                                                       std::chrono::milliseconds wait) {
  http::Request request;
  request.target = fmt::format("/v1/peer/gangs/{}?after={}&wait_ms={}", http::percent_encoded(gang),
                               after, wait.count());
  request.timeout = kOrderMax + wait;
  const auto name = conductor.text();
  const auto answer = co_await ask(std::move(conductor), std::move(request));
  co_return migration_from(name, answer);
}

asio::awaitable<boost::json::object> GangClient::cancel(http::Endpoint conductor,
                                                        std::string gang) {
  http::Request request;
  request.method = "POST";
  request.target = fmt::format("/v1/peer/gangs/{}/cancel", http::percent_encoded(gang));
  request.timeout = kOrderMax;
  const auto name = conductor.text();
  const auto answer = co_await ask(std::move(conductor), std::move(request));
  co_return migration_from(name, answer);
}

/// `once`: over a connection of its own, because on a kept one it may be sent twice.
asio::awaitable<boost::json::value> GangClient::ask(http::Endpoint agent, http::Request request,
                                                    bool once) {
  request.headers.emplace_back(http::kProtocolHeader, http::kPeerProtocol);
  const auto name = agent.text();
  std::optional<Error> reported;
  try {
    if (once) co_return co_await http::call(std::move(agent), std::move(request));
    co_return co_await connections_.call(std::move(agent), std::move(request));
  } catch (const Error& error) {
    if (tasks_.is_stopping()) throw;
    reported = reported_by(name, error);
  }
  throw Error(*reported);
}

}  // namespace cardswap::gang
