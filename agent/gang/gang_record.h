#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/gang/gang_cost.h"
#include "agent/gang/protocol/gang_side.h"
#include "agent/handover/source/migration_result.h"
#include "agent/handover/source/timeline.h"
#include "migrator/base/error.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap::gang {

/// A rank that moves: what people are told of it.
struct RankMove {
  std::uint32_t rank = 0;
  std::string from;      ///< "HOST/DEVICE", for people
  std::string to;        ///< HOST:PORT/DEVICE
  MigrationStats stats;  ///< of its transfer, as its agent told it last
  double downtime_ms = 0;
  double clock_error_ms = 0;
};

/// The journal's record of a gang at its conductor: the move of one or several ranks of a job of
/// many, by one decision.
struct GangRecord {
  std::string id;
  std::uint64_t version = 1;
  std::string job;     ///< without the ranks
  MigrationSpec spec;  ///< its job is "JOB/RANK,...", its destinations are in the ranks' order
  std::vector<RankMove> moves;  ///< by rank; at least one
  GangDurable side;
  std::vector<std::string> agents;  ///< HOST:PORT of the agent of each rank, by rank
  /// HOST:PORT of the store at which the ranks of its epoch meet, here; empty: not recorded.
  std::string rendezvous;
  std::vector<std::pair<std::string, std::int64_t>> history;  ///< states, and when (Unix time, ms)
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;  ///< 0: it has not ended
  std::optional<MigrationResult> result;
  std::optional<Error> error;
  GangCost cost;  ///< grows after the end too

  [[nodiscard]] GangState state() const { return side.state; }
  [[nodiscard]] RankMove* find_move(std::uint32_t rank);
  /// Throws Error{not_found} for a rank that does not move.
  [[nodiscard]] const RankMove& move_of(std::uint32_t rank) const;
  /// The id under which the agent of a rank's newcomer has its place: the gang's own, or where
  /// several ranks move, which may go to one host, one for each.
  [[nodiscard]] std::string newcomer_id(std::uint32_t rank) const;
};

/// The id of the gang whose newcomer_id() `id` may be, where that is not the gang's own; empty:
/// none.
[[nodiscard]] std::string gang_of_newcomer(const std::string& id);

/// The parts of a gang that are not on disk, for people.
struct GangView {
  std::vector<HeardOfRank> heard;  ///< by rank; empty: nothing was heard
};

/// What the transfers of all ranks that move amount to; they run beside each other.
[[nodiscard]] MigrationStats stats_of_all(const GangRecord& record);
/// The longest downtime of a rank that moves; 0: none is known.
[[nodiscard]] double downtime_of_all(const GangRecord& record);
/// The record under the names that the API has for a migration: what a gang has of its own is in
/// "ranks", "rank" and "world_size". Figures of the whole are sums of bytes and the longest times
/// of the ranks that move.
[[nodiscard]] boost::json::object to_json(const GangRecord& record, const GangView& view);
/// How the transfers of their states went over time, under the names that the API has for a
/// migration.
[[nodiscard]] boost::json::object timeline_json(const GangRecord& record, const Timeline& samples);
[[nodiscard]] boost::json::object to_journal(const GangRecord& record);
/// Reads to_journal(). Throws Error{corrupt} for what decides and cannot be read.
[[nodiscard]] GangRecord gang_record_from_journal(const boost::json::object& from);

}  // namespace cardswap::gang
