#include "agent/handover/target/source_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/http/client.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Message;

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
  DecisionAnswer decided;
  static const json::object kNone;
  const auto& answer = said.is_object() ? said.get_object() : kNone;
  if (handover::is_granted(asked.state) && text_at(answer, "decision") == "superseded") {
    decided.message = {Message::Kind::decision, asked.epoch, {}, handover::Decision::committed};
  } else {
    decided.message = decision_from(asked.agent, asked.epoch, said);
  }
  const auto own_epoch = number_at(answer, "own_epoch");
  decided.own_epoch = validate::count("own_epoch", own_epoch, validate::kEpochMax);
  decided.stands = text_at(answer, "copy") == "frozen";
  co_return decided;
}

}  // namespace cardswap
