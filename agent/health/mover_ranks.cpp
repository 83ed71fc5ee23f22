// The part of Mover that moves ranks of jobs of many.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <chrono>

#include "agent/base/json_fields.h"
#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "agent/health/mover.h"
#include "agent/health/ranks_here.h"
#include "agent/http/client.h"
#include "agent/placement/blamed_places.h"

namespace cardswap::health {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kNewsWait{5};
constexpr std::chrono::seconds kAskAgain{1};  // a conductor that does not answer

}  // namespace

asio::awaitable<boost::json::object> Mover::end_of_ranks(std::string id) {
  std::uint64_t version = 0;
  while (true) {
    std::string failed;
    try {
      auto now = co_await rank_moves_.news(id, version, Clock::now() + kNewsWait);
      if (value_at(now, "result") != nullptr) co_return now;
      version = number_at<std::uint64_t>(now, "version");
    } catch (const Error& error) {  // its conductor is away: it decides when it is back
      if (tasks_.is_stopping() || error.code() == Code::not_found) throw;
      failed = error.failure();
    }
    if (!failed.empty()) co_await pause_for(kAskAgain);
  }
}

asio::awaitable<bool> Mover::migrate_ranks(Move move, std::string targets) {
  const auto& policy = journalled_.engine().policy();
  std::vector<std::uint32_t> ranks;
  for (const auto& one : ranks_here(jobs_, move.job, move.device)) ranks.push_back(one.rank);
  MigrationRequest wanted;
  wanted.spec = policy.migration;
  wanted.spec.job = fmt::format("{}/{}", move.job, fmt::join(ranks, ","));
  wanted.spec.to = targets;
  // What a policy says of whole jobs and ranks cannot do.
  wanted.spec.arrive = ArrivalMode::standby;
  wanted.spec.rehearse = Rehearsal::off;
  if (wanted.spec.strategy == Strategy::replay) wanted.spec.strategy = Strategy::automatic;
  if (move.is_urgent) wanted.spec.timeout_ms = static_cast<double>(policy.deadline);
  const auto begun = co_await rank_moves_.start(std::move(wanted));
  const auto id = text_at(begun, "id");
  emit_event(
      move, "move_started",
      fmt::format("ranks {} to {}, because of {}", fmt::join(ranks, ", "), targets, move.reason),
      id);
  const auto ended = co_await end_of_ranks(id);
  if (text_at(ended, "result") == "ok") {
    emit_event(move, "moved",
               fmt::format("ranks {} to {}, stopped for {}", fmt::join(ranks, ", "), targets,
                           format_ms(number_at(ended, "downtime_ms"))),
               id);
    co_return true;
  }
  const auto error = http::error_from_json(object_at(ended, "error"));
  emit_event(move, "move_failed", error.failure(), id);
  for (auto& target : blamed_places(error.failure(), split(targets, ','))) {
    avoided_.add(move.job_uid, move.incident, std::move(target));
  }
  co_return false;
}

}  // namespace cardswap::health
