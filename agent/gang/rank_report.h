#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/gang/protocol/gang_protocol.h"
#include "agent/gang/rank_cost.h"
#include "migrator/base/error.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap::gang {

/// What the agent of a rank answers its conductor: the rank's status, which decides, and what only
/// people and the order of calls need.
struct RankReport {
  RankStatus status;
  std::uint64_t version = 0;            ///< grows with each change; 0: the agent does not say
  std::optional<Error> why;             ///< why the rank went back by itself; nullopt: it did not
  std::optional<MigrationStats> stats;  ///< of a rank that leaves: how its transfer goes
  RankCost cost;
};

[[nodiscard]] boost::json::object to_json(const RankReport& report);
/// Reads the answer of a rank's agent at the address `agent`. Throws Error{protocol_mismatch} as
/// rank_status_from(); what does not decide and cannot be read is left out.
[[nodiscard]] RankReport rank_report_from(const std::string& agent,
                                          const boost::json::value& answer);

}  // namespace cardswap::gang
