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

/// The journal's record of a gang at its conductor: the move of one rank of a job of many.
struct GangRecord {
  std::string id;
  std::uint64_t version = 1;
  std::string job;           ///< without the rank
  std::uint32_t leaver = 0;  ///< the rank that moves
  MigrationSpec spec;        ///< its job is "JOB/RANK", as it was asked for
  std::string from;          ///< where that rank was, for people
  GangDurable side;
  std::vector<std::string> agents;  ///< HOST:PORT of the agent of each rank, by rank
  /// HOST:PORT of the store at which the ranks of its epoch meet, here; empty: not recorded.
  std::string rendezvous;
  std::vector<std::pair<std::string, std::int64_t>> history;  ///< states, and when (Unix time, ms)
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;  ///< 0: it has not ended
  std::optional<MigrationResult> result;
  std::optional<Error> error;
  MigrationStats stats;  ///< of the transfer, as the leaver's agent told it last
  double downtime_ms = 0;
  double clock_error_ms = 0;
  GangCost cost;  ///< grows after the end too

  [[nodiscard]] GangState state() const { return side.state; }
};

/// The parts of a gang that are not on disk, for people.
struct GangView {
  std::vector<HeardOfRank> heard;  ///< by rank; empty: nothing was heard
};

/// The record under the names that the API has for a migration: what a gang has of its own is in
/// "ranks", "rank" and "world_size".
[[nodiscard]] boost::json::object to_json(const GangRecord& record, const GangView& view);
/// How the transfer of its state went over time, under the names that the API has for a migration.
[[nodiscard]] boost::json::object timeline_json(const GangRecord& record, const Timeline& samples);
[[nodiscard]] boost::json::object to_journal(const GangRecord& record);
/// Reads to_journal(). Throws Error{corrupt} for what decides and cannot be read.
[[nodiscard]] GangRecord gang_record_from_journal(const boost::json::object& from);

}  // namespace cardswap::gang
