#include "agent/handover/peer_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "agent/base/validate.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/handover/reservation_request_json.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// An id of another shape is nobody's; it is not repeated in texts.
std::string id_of(const ApiRequest& request) {
  return validate::migration_id("id", request.path.at("id"));
}

struct Parts {
  Migrations& migrations;
  Reservations& reservations;
  criu::MoveTools& criu;
  DataPlane& data_plane;
  RankMoves& rank_moves;
};

asio::awaitable<ApiResponse> reserve(Parts parts, ApiRequest request) {
  co_await parts.criu.probe();
  const auto address = co_await parts.data_plane.address_for(request.caller.came_to);
  auto wanted = reservation_request_from(request);
  wanted.has_ranks_here =
      !wanted.place.gang.empty() && parts.rank_moves.may_come_beside_ranks(wanted, request.caller);
  auto seen = co_await parts.reservations.inspect_here(wanted, request.caller);
  const auto offer =
      co_await parts.reservations.reserve(wanted, request.caller, address, std::move(seen));
  if (offer.accepted && !wanted.dry_run) {
    const auto& made = parts.reservations.at(wanted.migration);
    co_return ApiResponse{200,
                          json::object{{"accepted", true}, {"reservation", to_source_json(made)}}};
  }
  json::array reasons;
  for (const auto& reason : offer.blocked_reasons) reasons.emplace_back(reason);
  co_return ApiResponse{200, json::object{{"accepted", offer.accepted},
                                          {"code", to_string(offer.code)},
                                          {"hint", offer.hint},
                                          {"blocked_reasons", std::move(reasons)}}};
}

asio::awaitable<ApiResponse> state(Parts parts, ApiRequest request) {
  auto& reservations = parts.reservations;
  const auto id = id_of(request);
  (void)reservations.at(id, request.caller);
  reservations.note_contact(id);
  const auto after = static_cast<std::uint64_t>(request.query_or("after", 0));
  const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, 5'000);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
  while (reservations.at(id).record().version <= after &&
         std::chrono::steady_clock::now() < until) {
    co_await reservations.changed(reservations.at(id)).wait_until(until);
  }
  co_return ApiResponse{200, to_source_json(reservations.at(id))};
}

asio::awaitable<ApiResponse> grant(Parts parts, ApiRequest request) {
  request.only({"epoch", "root", "step"});
  const auto id = id_of(request);
  (void)parts.reservations.at(id, request.caller);
  const auto epoch = validate::count("epoch", request.number_or("epoch", 0), validate::kEpochMax);
  const auto step = validate::count("step", request.number_or("step", 0));
  parts.reservations.grant(id, epoch, content_from(request.text("root"), step));
  co_return ApiResponse{200, to_source_json(parts.reservations.at(id))};
}

asio::awaitable<ApiResponse> drop(Parts parts, ApiRequest request) {
  const auto id = id_of(request);
  (void)parts.reservations.at(id, request.caller);
  const auto epoch = request.query_or("epoch", 0);
  if (epoch < 0 || epoch > static_cast<std::int64_t>(validate::kEpochMax)) {
    throw Error(Code::bad_request, fmt::format("'epoch={}' is no epoch", epoch));
  }
  co_await parts.reservations.drop(id, static_cast<std::uint64_t>(epoch));
  co_return ApiResponse{200, to_source_json(parts.reservations.at(id))};
}

asio::awaitable<ApiResponse> decision(Parts parts, ApiRequest request) {
  const auto asked = request.query.find("state");
  const auto said =
      asked == request.query.end() ? std::nullopt : named<handover::TargetState>(asked->second);
  const auto id = id_of(request);
  const auto decided = parts.rank_moves.has_newcomer(id)
                           ? parts.rank_moves.decision(id, said, request.caller)
                           : parts.migrations.decision(id, said, request.caller);
  co_return ApiResponse{200, to_json(decided)};
}

}  // namespace

void add_peer_routes(Router& router, Migrations& migrations, Reservations& reservations,
                     criu::MoveTools& criu, DataPlane& data_plane, RankMoves& rank_moves) {
  const auto add = routes_on(router, Parts{migrations, reservations, criu, data_plane, rank_moves});
  add("POST", "/v1/peer/reservations", reserve);
  add("GET", "/v1/peer/reservations/{id}", state);
  add("POST", "/v1/peer/reservations/{id}/grant", grant);
  add("DELETE", "/v1/peer/reservations/{id}", drop);
  add("GET", "/v1/peer/decisions/{id}", decision);
}

}  // namespace cardswap
