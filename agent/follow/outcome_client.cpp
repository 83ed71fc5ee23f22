#include "agent/follow/outcome_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "agent/handover/base/peer_answers.h"

namespace cardswap::follow {
namespace {

constexpr std::chrono::seconds kAnswerMax{3};

std::string path_of(const RankName& rank) {
  return fmt::format("/v1/peer/outcomes/{}/{}", http::percent_encoded(rank.uid), rank.rank);
}

}  // namespace

asio::awaitable<LocalOutcome> OutcomeClient::ask(http::Endpoint agent, RankName rank,
                                                 std::chrono::milliseconds wait) {
  http::Request request;
  request.target = path_of(rank) + fmt::format("?wait_ms={}", wait.count());
  request.timeout = kAnswerMax + wait;
  co_return co_await call(std::move(agent), std::move(request));
}

asio::awaitable<LocalOutcome> OutcomeClient::deliver(http::Endpoint agent, RankName rank,
                                                     int signal) {
  http::Request request;
  request.method = "POST";
  request.target = path_of(rank) + "/signal";
  request.body = boost::json::object{{"signal", signal}};
  request.timeout = kAnswerMax;
  co_return co_await call(std::move(agent), std::move(request));
}

asio::awaitable<LocalOutcome> OutcomeClient::call(http::Endpoint agent, http::Request request) {
  request.headers.emplace_back(http::kProtocolHeader, http::kPeerProtocol);
  const auto name = agent.text();
  std::optional<Error> reported;
  try {
    co_return local_outcome_from(name,
                                 co_await connections_.call(std::move(agent), std::move(request)));
  } catch (const Error& error) {
    if (tasks_.is_stopping()) throw;
    reported = reported_by(name, error);
  }
  throw Error(*reported);
}

}  // namespace cardswap::follow
