#include "agent/follow/outcome_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "agent/base/text_parts.h"
#include "agent/base/validate.h"

namespace cardswap::follow {
namespace {

constexpr std::int64_t kWaitMaxMs = 5'000;
constexpr std::uint32_t kRanksMax = 1U << 20;
constexpr std::size_t kIdBytesMax = 64;

struct Parts {
  Outcomes& outcomes;
};

std::chrono::steady_clock::time_point until_of(const ApiRequest& request) {
  const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, kWaitMaxMs);
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
}

std::uint32_t rank_in(std::string_view text) {
  const auto rank = number_in<std::uint32_t>(text);
  validate::check(rank && *rank < kRanksMax, "rank", "number of its range");
  return *rank;
}

std::optional<std::uint32_t> rank_of(const ApiRequest& request) {
  const auto asked = request.query.find("rank");
  return asked == request.query.end() ? std::nullopt : std::optional(rank_in(asked->second));
}

/// The one that an earlier answer has named, so that another job of that name is not taken for it.
std::string instance_of(Parts parts, const ApiRequest& request) {
  const auto named = request.query.find("instance");
  const auto& name = request.path.at("name");
  if (named == request.query.end()) return parts.outcomes.instance_of(name, rank_of(request)).id();
  validate::check(validate::is_word(named->second, kIdBytesMax), "instance", "id");
  return named->second;
}

/// What the caller knows already, of which it needs no news.
Outcome seen_by(const ApiRequest& request) {
  Outcome seen;
  const auto at = request.query.find("at");
  const auto note = request.query.find("note");
  if (at != request.query.end()) seen.at = at->second;
  if (note != request.query.end()) seen.note = note->second;
  return seen;
}

asio::awaitable<ApiResponse> outcome(Parts parts, ApiRequest request) {
  const auto instance = instance_of(parts, request);
  const auto news =
      co_await parts.outcomes.news(instance, rank_of(request), seen_by(request), until_of(request));
  auto answer = to_json(news);
  answer["instance"] = instance;
  co_return ApiResponse{200, std::move(answer)};
}

int signal_in(const ApiRequest& request) {
  request.only({"signal"});
  const auto number = request.number_or("signal", 0);
  validate::check(number >= 1 && number <= 64, "signal", "number of a signal");
  return static_cast<int>(number);
}

asio::awaitable<ApiResponse> signal(Parts parts, ApiRequest request) {
  const auto number = signal_in(request);
  co_await parts.outcomes.deliver(instance_of(parts, request), rank_of(request), number);
  co_return ApiResponse{200, boost::json::object{}};
}

RankName named_by(const ApiRequest& request) {
  const auto& uid = request.path.at("uid");
  validate::check(validate::is_word(uid, kIdBytesMax), "uid", "id of a job");
  return {uid, rank_in(request.path.at("rank"))};
}

asio::awaitable<ApiResponse> outcome_here(Parts parts, ApiRequest request) {
  const auto local = co_await parts.outcomes.news_here(named_by(request), until_of(request));
  co_return ApiResponse{200, to_json(local)};
}

asio::awaitable<ApiResponse> signal_here(Parts parts, ApiRequest request) {
  const auto local = parts.outcomes.deliver_here(named_by(request), signal_in(request));
  co_return ApiResponse{200, to_json(local)};
}

}  // namespace

void add_outcome_routes(Router& router, Outcomes& outcomes) {
  const auto add = routes_on(router, Parts{outcomes});
  add("GET", "/v1/jobs/{name}/outcome", outcome);
  add("POST", "/v1/jobs/{name}/signal", signal);
  add("GET", "/v1/peer/outcomes/{uid}/{rank}", outcome_here);
  add("POST", "/v1/peer/outcomes/{uid}/{rank}/signal", signal_here);
}

}  // namespace cardswap::follow
