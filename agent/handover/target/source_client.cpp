#include "agent/handover/target/source_client.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <utility>

#include "agent/http/client.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kAnswerMax{2};

}  // namespace

boost::asio::awaitable<DecisionAnswer> ask_decision(DecisionQuestion asked) {
  http::Request request;
  request.target = fmt::format("/v1/peer/decisions/{}?state={}",
                               http::percent_encoded(asked.migration), to_string(asked.state));
  request.headers.emplace_back(http::kProtocolHeader, http::kPeerProtocol);
  request.timeout = kAnswerMax;
  request.only_of = asked.only_of;
  auto source = http::Endpoint::tcp(parse_address("from_api", asked.agent));
  const auto said = co_await http::call(std::move(source), std::move(request));
  co_return decision_answer_from(asked.agent, asked.epoch, asked.state, said);
}

}  // namespace cardswap
