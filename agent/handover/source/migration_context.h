#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_control.h"
#include "agent/handover/source/migration_list.h"

namespace cardswap {

/// References that the parts of one MigrationTask share. The task owns it, and the parts do not
/// outlive the task.
struct MigrationContext {
  const HandoverContext& context;
  MigrationList& list;
  Migration& migration;   ///< of the list
  MigrationControl& run;  ///< its task
};

}  // namespace cardswap
