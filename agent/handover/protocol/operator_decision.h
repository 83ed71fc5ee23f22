#pragma once

#include <string>

#include "agent/handover/protocol/migration_side.h"

namespace cardswap {

/// What an operator says of a migration that cannot end by itself.
struct OperatorDecision {
  MigrationSide to = MigrationSide::source;  ///< where the job is to live
  std::string by;                            ///< who says so, as far as the connection proves it
  bool overrule = false;                     ///< although the other side's agent says otherwise
};

}  // namespace cardswap
