#include "agent/handover/peer_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/outside.h"

namespace cardswap {
namespace {

/// An id of another shape is nobody's; it is not repeated in texts.
std::string id_of(const ApiRequest& request) {
  return outside::migration_id("id", request.path.at("id"));
}

asio::awaitable<ApiAnswer> state_of(Reservations& reservations, ApiRequest request) {
  const auto id = id_of(request);
  (void)reservations.at(id, request.caller);
  reservations.heard(id);
  const auto after = static_cast<std::uint64_t>(request.query_or("after", 0));
  const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, 5'000);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
  while (reservations.at(id).version <= after && std::chrono::steady_clock::now() < until) {
    co_await reservations.changed().wait_until(until);
  }
  co_return ApiAnswer{200, to_json(reservations.at(id))};
}

}  // namespace

void add_peer_calls(Router& router, Migrations& migrations, Reservations& reservations,
                    criu::Host& criu, DataPlane& data_plane) {
  router.on("POST", "/v1/peer/reservations", [&](ApiRequest request) -> asio::awaitable<ApiAnswer> {
    co_await criu.look();
    const auto place = co_await data_plane.place_for(request.caller.came_to);
    auto missing = co_await reservations.lacks(request);
    co_return reservations.reserve(request, place, std::move(missing));
  });
  router.on("GET", "/v1/peer/reservations/{id}",
            [&](ApiRequest request) { return state_of(reservations, std::move(request)); });
  router.on("POST", "/v1/peer/reservations/{id}/grant",
            [&](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              request.only({"epoch", "root", "step"});
              const auto id = id_of(request);
              (void)reservations.at(id, request.caller);
              const auto epoch =
                  outside::count("epoch", request.number_or("epoch", 0), outside::kEpochMax);
              const auto step = outside::count("step", request.number_or("step", 0));
              co_return co_await reservations.grant(id, epoch, request.text("root"), step);
            });
  router.on("DELETE", "/v1/peer/reservations/{id}",
            [&](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              const auto id = id_of(request);
              (void)reservations.at(id, request.caller);
              const auto epoch = request.query_or("epoch", 0);
              if (epoch < 0 || epoch > static_cast<std::int64_t>(outside::kEpochMax)) {
                throw Error(Code::bad_request, fmt::format("'epoch={}' is no epoch", epoch));
              }
              co_return co_await reservations.drop(id, static_cast<std::uint64_t>(epoch));
            });
  router.on("GET", "/v1/peer/decisions/{id}",
            [&](ApiRequest request) -> asio::awaitable<ApiAnswer> {
              const auto said = request.query.find("state");
              const auto state = said == request.query.end() ? std::string() : said->second;
              co_return ApiAnswer{200, migrations.decision(id_of(request), state, request.caller)};
            });
}

}  // namespace cardswap
