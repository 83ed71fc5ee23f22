#include "agent/gang/gang_routes.h"

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "agent/base/text_parts.h"
#include "agent/base/validate.h"
#include "agent/gang/messages.h"

namespace cardswap::gang {
namespace {

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
  const auto status = gangs->obey(named.gang, named.rank, order_from(request.body), request.caller);
  co_return ApiResponse{200, to_json(status)};
}

boost::asio::awaitable<ApiResponse> decision(Gangs* gangs, ApiRequest request) {
  const auto named = named_by(request);
  const auto epoch = request.query.find("epoch");
  validate::check(epoch != request.query.end(), "epoch", "number of its range");
  const auto asked = number_from("epoch", epoch->second, validate::kEpochMax);
  co_return ApiResponse{200,
                        to_json(gangs->decision(named.gang, named.rank, asked, request.caller))};
}

}  // namespace

void add_gang_routes(Router& router, Gangs& gangs) {
  const auto add = routes_on(router, &gangs);
  add("POST", "/v1/peer/gangs/{id}/ranks/{rank}/order", &obey);
  add("GET", "/v1/peer/gangs/{id}/ranks/{rank}/decision", &decision);
}

}  // namespace cardswap::gang
