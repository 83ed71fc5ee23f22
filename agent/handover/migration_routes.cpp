#include "agent/handover/migration_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>

#include "agent/handover/migration_listing.h"
#include "agent/handover/migration_request_json.h"
#include "agent/handover/target/incoming_json.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

namespace json = boost::json;

struct CallContext {
  Migrations& migrations;
  Reservations& reservations;
  JobList& jobs;
  RankMoves& rank_moves;
  const Config& config;
};

asio::awaitable<ApiResponse> start(CallContext parts, ApiRequest request) {
  auto asked = migration_request_from(request);
  if (RankMoves::are_ranks(asked)) {
    auto begun = co_await parts.rank_moves.start(std::move(asked));
    co_return ApiResponse{202, std::move(begun)};
  }
  auto wanted = co_await parts.migrations.prepare(std::move(asked));
  if (wanted.dry_run) {
    auto plan = co_await parts.migrations.plan(std::move(wanted));
    co_return ApiResponse{200, std::move(plan)};
  }
  co_return ApiResponse{202, to_json(parts.migrations.start(std::move(wanted)))};
}

json::object reservation_json(const CallContext& parts, const Reservation& r) {
  return incoming_json(r, parts.jobs.by_instance(r.instance()), parts.config);
}

asio::awaitable<ApiResponse> list(CallContext parts, ApiRequest request) {
  ListingOptions listing;
  listing.running = request.query_or("running", 0) != 0;
  listing.incoming = request.query_or("incoming", 0) != 0;
  listing.limit = static_cast<std::size_t>(std::clamp<std::int64_t>(
      request.query_or("limit", ListingOptions::kLimit), 1, ListingOptions::kLimitMax));
  if (const auto before = request.query.find("before"); before != request.query.end()) {
    listing.before = before->second;
  }
  auto of_ranks = parts.rank_moves.all(listing.running);
  if (listing.before.empty()) {
    auto elsewhere = co_await parts.rank_moves.running_elsewhere();
    std::ranges::move(elsewhere, std::back_inserter(of_ranks));
  }
  auto answer = list_migrations(
      parts.migrations.all(), parts.reservations.all(), of_ranks,
      [&](const Reservation& r) { return reservation_json(parts, r); }, listing);
  co_return ApiResponse{200, std::move(answer)};
}

asio::awaitable<ApiResponse> show(CallContext parts, ApiRequest request) {
  const auto id = request.path.at("id");
  auto& migrations = parts.migrations;
  if (parts.rank_moves.has(id)) {
    const auto most = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, 60'000);
    auto shown = co_await parts.rank_moves.news(
        id, static_cast<std::uint64_t>(request.query_or("after", 0)),
        std::chrono::steady_clock::now() + std::chrono::milliseconds(most));
    co_return ApiResponse{200, std::move(shown)};
  }
  if (!migrations.has(id) && parts.reservations.has(id)) {
    co_return ApiResponse{200, reservation_json(parts, parts.reservations.at(id))};
  }
  const auto after = static_cast<std::uint64_t>(request.query_or("after", 0));
  const auto wait = std::clamp<std::int64_t>(request.query_or("wait_ms", 0), 0, 60'000);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
  while (migrations.at(id).record().version <= after && std::chrono::steady_clock::now() < until) {
    co_await migrations.changed(migrations.at(id)).wait_until(until);
  }
  co_return ApiResponse{200, to_json(migrations.at(id))};
}

asio::awaitable<ApiResponse> timeline(CallContext parts, ApiRequest request) {
  const auto id = request.path.at("id");
  if (parts.rank_moves.has(id)) co_return ApiResponse{200, parts.rank_moves.timeline(id)};
  co_return ApiResponse{200, timeline_json(parts.migrations.at(id))};
}

asio::awaitable<ApiResponse> cancel(CallContext parts, ApiRequest request) {
  const auto id = request.path.at("id");
  if (parts.rank_moves.has(id)) {
    auto given_up = co_await parts.rank_moves.cancel(id);
    co_return ApiResponse{200, std::move(given_up)};
  }
  if (!parts.migrations.has(id) && parts.reservations.has(id)) {
    co_await parts.reservations.cancel(id, request.caller.name);
    co_return ApiResponse{200, reservation_json(parts, parts.reservations.at(id))};
  }
  parts.migrations.cancel(id);
  co_return ApiResponse{200, to_json(parts.migrations.at(id))};
}

/// Which side of the migration this host is. Within one host it is both: then what the source,
/// which owns the job until it is over there, has not decided comes first.
bool is_target(const CallContext& parts, const std::string& id) {
  if (!parts.reservations.has(id)) return false;
  return !parts.migrations.has(id) || handover::is_over(parts.migrations.at(id).state());
}

asio::awaitable<ApiResponse> resolve(CallContext parts, ApiRequest request) {
  request.only({"force", "overrule"});
  const auto id = request.path.at("id");
  const auto asked = request.text("force");
  const auto side = named<MigrationSide>(asked);
  if (!side) {
    throw Error(Code::bad_request, fmt::format("'{}' is no side", asked),
                "use " + names_of<MigrationSide>());
  }
  OperatorDecision decision{*side, request.caller.name, request.flag_or("overrule", false)};
  if (parts.rank_moves.has(id)) {
    parts.rank_moves.force(id, decision);
    co_return ApiResponse{200, parts.rank_moves.shown(id)};
  }
  if (is_target(parts, id)) {
    co_await parts.reservations.force(id, std::move(decision));
    co_return ApiResponse{200, to_json(parts.reservations.at(id).record())};
  }
  co_await parts.migrations.force(id, std::move(decision));
  co_return ApiResponse{200, to_json(parts.migrations.at(id))};
}

asio::awaitable<ApiResponse> proceed(CallContext parts, ApiRequest request) {
  if (!parts.config.failpoints) {
    throw Error(Code::bad_request, "proceed needs an agent started with --failpoints");
  }
  const auto id = request.path.at("id");
  if (parts.rank_moves.has(id)) {
    parts.rank_moves.proceed(id);
    co_return ApiResponse{200, parts.rank_moves.shown(id)};
  }
  parts.migrations.proceed(id);
  co_return ApiResponse{200, to_json(parts.migrations.at(id))};
}

}  // namespace

void add_migration_routes(Router& router, Migrations& migrations, Reservations& reservations,
                          JobList& jobs, RankMoves& rank_moves, const Config& config) {
  const auto add =
      routes_on(router, CallContext{migrations, reservations, jobs, rank_moves, config});
  add("POST", "/v1/migrations", start);
  add("GET", "/v1/migrations", list);
  add("GET", "/v1/migrations/{id}", show);
  add("GET", "/v1/migrations/{id}/timeline", timeline);
  add("POST", "/v1/migrations/{id}/cancel", cancel);
  add("POST", "/v1/migrations/{id}/resolve", resolve);
  add("POST", "/v1/migrations/{id}/proceed", proceed);
}

}  // namespace cardswap
