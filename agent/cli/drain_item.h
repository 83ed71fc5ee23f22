#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

#include "agent/cli/drain_text.h"
#include "agent/placement/placement.h"

namespace cardswap::cli {

/// One job of a drained host, and how far its move is.
struct DrainItem {
  /// How far the job's move is.
  enum class Phase { waiting, moving, stuck, over };

  PlacementJob job;
  DrainRow row;
  Phase phase = Phase::waiting;
  std::int64_t pid = 0;
  bool hooked = false;  ///< its hook ran before it, or it was under way already
  boost::json::object migration;
};

}  // namespace cardswap::cli
