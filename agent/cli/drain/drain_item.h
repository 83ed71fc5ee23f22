#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

#include "agent/cli/drain/drain_text.h"
#include "agent/placement/placement.h"

namespace cardswap::cli {

/// One job of a drained host, and how far its move is.
struct DrainItem {
  /// stuck: it cannot move now (PlacementJob::immovable_reason says why); over: row.result says how
  /// it ended.
  enum class Phase { waiting, moving, stuck, over };

  PlacementJob job;
  DrainRow row;
  Phase phase = Phase::waiting;
  std::int64_t pid = 0;           ///< of the job's process; another one: the job is back
  bool hooked = false;            ///< the hook has to run with "after" when the move is over
  boost::json::object migration;  ///< as the agent last told it; empty: none was started
};

}  // namespace cardswap::cli
