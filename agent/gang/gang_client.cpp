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

asio::awaitable<RankStatus> GangClient::order(RankRef rank, Order order) {
  http::Request request;
  request.method = "POST";
  request.target = path_of(rank) + "/order";
  request.body = to_json(order);
  request.timeout = kOrderMax;
  const auto answer = co_await ask(rank.agent, std::move(request));
  co_return rank_status_from(rank.agent.text(), answer);
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
