#include "agent/gang/gang_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "agent/handover/base/peer_answers.h"

namespace cardswap::gang {
namespace {

constexpr std::chrono::seconds kOrderMax{3};
constexpr std::chrono::seconds kDecisionMax{2};

std::string path_of(const RankRef& rank) {
  return fmt::format("/v1/peer/gangs/{}/ranks/{}", http::percent_encoded(rank.gang), rank.rank);
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

asio::awaitable<boost::json::value> GangClient::ask(http::Endpoint agent, http::Request request) {
  request.headers.emplace_back(http::kProtocolHeader, http::kPeerProtocol);
  const auto name = agent.text();
  std::optional<Error> reported;
  try {
    co_return co_await connections_.call(std::move(agent), std::move(request));
  } catch (const Error& error) {
    if (tasks_.is_stopping()) throw;
    reported = reported_by(name, error);
  }
  throw Error(*reported);
}

}  // namespace cardswap::gang
