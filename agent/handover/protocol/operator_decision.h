#pragma once

#include <string>

#include "agent/handover/protocol/migration_side.h"

namespace cardswap {

/// An operator's decision about a migration that cannot end by itself.
struct OperatorDecision {
  MigrationSide to = MigrationSide::source;  ///< the side that is to have the job
  std::string by;                            ///< who decided, as far as the connection proves it
  bool overrule = false;                     ///< valid even if the other side's agent contradicts
};

}  // namespace cardswap
