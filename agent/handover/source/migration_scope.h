#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/running_migration.h"

namespace cardswap {

/// What the parts of one migration under way work with. MigrationTask has it; they live as long.
struct MigrationScope {
  const HandoverContext& context;
  MigrationList& list;
  Migration& migration;   ///< of the list
  RunningMigration& run;  ///< its task
};

}  // namespace cardswap
