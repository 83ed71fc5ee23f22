#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/running_migration.h"

namespace cardswap {

/// References that the parts of one MigrationTask share. The task owns it, and the parts do not
/// outlive the task.
struct MigrationScope {
  const HandoverContext& context;
  MigrationList& list;
  Migration& migration;   ///< of the list
  RunningMigration& run;  ///< its task
};

}  // namespace cardswap
