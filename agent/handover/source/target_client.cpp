#include "agent/handover/source/target_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_fields.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kReserveMax{10'000};

std::string path_of(const TargetClient::ReservationRef& reservation) {
  return "/v1/peer/reservations/" + http::percent_encoded(reservation.migration);
}

TargetAnswer answer_from(const TargetClient::ReservationRef& reservation, const json::object& said,
                         bool has_state) {
  TargetAnswer answer;
  if (has_state)
    answer.status = target_status_from(reservation.agent.text(), reservation.epoch, said);
  answer.forced_to_target = text_at(said, "forced") == "target";
  return answer;
}

}  // namespace

asio::awaitable<Offer> TargetClient::reserve(http::Endpoint agent, ReservationRequest wanted) {
  const auto name = agent.text();
  const auto said =
      co_await ask(std::move(agent), "POST", "/v1/peer/reservations", to_json(wanted), kReserveMax);
  co_return offer_from(name, said);
}

asio::awaitable<TargetAnswer> TargetClient::state(ReservationRef reservation,
                                                  milliseconds timeout) {
  const auto said = co_await ask(reservation.agent, "GET", path_of(reservation), nullptr, timeout);
  co_return answer_from(reservation, said, true);
}

asio::awaitable<TargetAnswer> TargetClient::wait_for_change(ReservationRef reservation,
                                                            std::uint64_t after, milliseconds wait,
                                                            milliseconds timeout) {
  auto path = path_of(reservation) + fmt::format("?after={}&wait_ms={}", after, wait.count());
  const auto said = co_await ask(reservation.agent, "GET", std::move(path), nullptr, timeout);
  co_return answer_from(reservation, said, true);
}

asio::awaitable<TargetAnswer> TargetClient::grant(ReservationRef reservation,
                                                  handover::Content content) {
  json::object body{{"epoch", reservation.epoch},
                    {"root", to_string(content.state_digest)},
                    {"step", content.step}};
  const auto said = co_await ask(reservation.agent, "POST", path_of(reservation) + "/grant",
                                 std::move(body), kAnswerMax);
  co_return answer_from(reservation, said, said.contains("state"));
}

asio::awaitable<TargetAnswer> TargetClient::drop(ReservationRef reservation,
                                                 handover::Epoch epoch) {
  auto path = path_of(reservation);
  if (epoch > reservation.epoch) path += fmt::format("?epoch={}", epoch);
  const auto said = co_await ask(reservation.agent, "DELETE", std::move(path), nullptr, kAnswerMax);
  co_return answer_from(reservation, said, said.contains("state"));
}

asio::awaitable<std::string> TargetClient::host_name(http::Endpoint agent, milliseconds timeout) {
  const auto said = co_await ask(std::move(agent), "GET", "/v1/version", nullptr, timeout);
  co_return text_at(said, "host");
}

asio::awaitable<json::object> TargetClient::ask(http::Endpoint agent, std::string method,
                                                std::string path, json::value body,
                                                milliseconds timeout) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(path);
  request.body = std::move(body);
  request.headers.emplace_back(http::kProtocolHeader, http::kPeerProtocol);
  request.timeout = timeout;
  // A grant that comes twice is a grant; a reservation is not.
  const bool repeatable = request.method != "POST" || request.target.ends_with("/grant");
  const auto name = agent.text();
  const auto asked = fmt::format("{} {}", request.method, request.target);
  json::value answer;
  std::optional<Error> reported;
  try {
    if (repeatable) {
      answer = co_await connections_.call(std::move(agent), std::move(request));
    } else {
      answer = co_await http::call(std::move(agent), std::move(request));
    }
  } catch (const Error& error) {
    if (tasks_.is_stopping()) throw;
    reported = reported_by(name, error);
  }
  if (reported) throw Error(*reported);
  if (!answer.is_object()) {
    throw Error(Code::protocol_mismatch,
                fmt::format("the agent at {} answered {} with no JSON object", name, asked),
                "is it a cardswapd of this release that listens there?");
  }
  co_return std::move(answer.get_object());
}

}  // namespace cardswap
