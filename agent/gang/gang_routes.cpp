#include "agent/gang/gang_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/text_parts.h"
#include "agent/base/validate.h"
#include "agent/gang/messages.h"
#include "agent/handover/migration_request_json.h"

namespace cardswap::gang {
namespace {

constexpr std::chrono::milliseconds kReportWaitMax{5'000};

/// The number that the whole of `text` is, up to `most`. What is none is not repeated in texts.
std::uint64_t number_from(std::string_view what, std::string_view text, std::uint64_t most) {
  const auto value = number_in<std::uint64_t>(text);
  validate::check(value && *value <= most, what, "number of its range");
  return *value;
}

struct Named {
  std::string gang;
  std::uint32_t rank = 0;
};
/// The gang's id is the id of its migration.
Named named_by(const ApiRequest& request) {
  return {validate::migration_id("id", request.path.at("id")),
          static_cast<std::uint32_t>(number_from("rank", request.path.at("rank"), kRanksMax - 1))};
}

/// The version of which the caller knows, and until when it waits for a later one.
std::uint64_t after_of(const ApiRequest& request) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(request.query_or("after", 0), 0));
}
std::chrono::steady_clock::time_point until_of(const ApiRequest& request) {
  const std::chrono::milliseconds wait(
      std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, kReportWaitMax.count()));
  return std::chrono::steady_clock::now() + wait;
}

boost::asio::awaitable<ApiResponse> obey(Gangs* gangs, ApiRequest request) {
  const auto named = named_by(request);
  const auto report = gangs->obey(named.gang, named.rank, order_from(request.body),
                                  invitation_from(request.body), request.caller);
  co_return ApiResponse{200, to_json(report)};
}

boost::asio::awaitable<ApiResponse> report(Gangs* gangs, ApiRequest request) {
  auto named = named_by(request);
  const auto said = co_await gangs->report(std::move(named.gang), named.rank, after_of(request),
                                           until_of(request), request.caller);
  co_return ApiResponse{200, to_json(said)};
}

boost::asio::awaitable<ApiResponse> decision(Gangs* gangs, ApiRequest request) {
  const auto named = named_by(request);
  const auto epoch = request.query.find("epoch");
  validate::check(epoch != request.query.end(), "epoch", "number of its range");
  const auto asked = number_from("epoch", epoch->second, validate::kEpochMax);
  co_return ApiResponse{200,
                        to_json(gangs->decision(named.gang, named.rank, asked, request.caller))};
}

boost::asio::awaitable<ApiResponse> begin(Gangs* gangs, ApiRequest request) {
  auto wanted = migration_request_from(request);
  auto begun = co_await gangs->begin(std::move(wanted), request.caller);
  co_return ApiResponse{202, std::move(begun)};
}

boost::asio::awaitable<ApiResponse> conducted(Gangs* gangs, ApiRequest request) {
  auto id = validate::migration_id("id", request.path.at("id"));
  auto shown = co_await gangs->conducted(std::move(id), after_of(request), until_of(request),
                                         request.caller);
  co_return ApiResponse{200, std::move(shown)};
}

boost::asio::awaitable<ApiResponse> give_up(Gangs* gangs, ApiRequest request) {
  const auto id = validate::migration_id("id", request.path.at("id"));
  co_return ApiResponse{200, gangs->give_up(id, request.caller)};
}

boost::asio::awaitable<ApiResponse> facts(Gangs* gangs, ApiRequest request) {
  const auto rank = number_from("rank", request.path.at("rank"), kRanksMax - 1);
  const auto& job = request.path.at("job");
  validate::check(validate::is_job_name(job), "job", "name of a job");
  const auto found = gangs->facts(job, static_cast<std::uint32_t>(rank),
                                  request.query_or("leaves", 0) != 0, request.caller);
  co_return ApiResponse{200, to_json(found)};
}

}  // namespace

void add_gang_routes(Router& router, Gangs& gangs) {
  const auto add = routes_on(router, &gangs);
  add("POST", "/v1/peer/gangs", &begin);
  add("GET", "/v1/peer/gangs/{id}", &conducted);
  add("POST", "/v1/peer/gangs/{id}/cancel", &give_up);
  add("POST", "/v1/peer/gangs/{id}/ranks/{rank}/order", &obey);
  add("GET", "/v1/peer/gangs/{id}/ranks/{rank}", &report);
  add("GET", "/v1/peer/gangs/{id}/ranks/{rank}/decision", &decision);
  add("GET", "/v1/peer/ranks/{job}/{rank}", &facts);
}

}  // namespace cardswap::gang
