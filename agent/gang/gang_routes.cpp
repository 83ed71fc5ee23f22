#include "agent/gang/gang_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "agent/base/text_parts.h"
#include "agent/base/validate.h"
#include "agent/gang/messages.h"

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

boost::asio::awaitable<ApiResponse> obey(Gangs* gangs, ApiRequest request) {
  const auto named = named_by(request);
  const auto report = gangs->obey(named.gang, named.rank, order_from(request.body),
                                  invitation_from(request.body), request.caller);
  co_return ApiResponse{200, to_json(report)};
}

boost::asio::awaitable<ApiResponse> report(Gangs* gangs, ApiRequest request) {
  auto named = named_by(request);
  const auto after =
      static_cast<std::uint64_t>(std::max<std::int64_t>(request.query_or("after", 0), 0));
  const std::chrono::milliseconds wait(
      std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, kReportWaitMax.count()));
  const auto said = co_await gangs->report(std::move(named.gang), named.rank, after,
                                           std::chrono::steady_clock::now() + wait, request.caller);
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
  add("POST", "/v1/peer/gangs/{id}/ranks/{rank}/order", &obey);
  add("GET", "/v1/peer/gangs/{id}/ranks/{rank}", &report);
  add("GET", "/v1/peer/gangs/{id}/ranks/{rank}/decision", &decision);
  add("GET", "/v1/peer/ranks/{job}/{rank}", &facts);
}

}  // namespace cardswap::gang
