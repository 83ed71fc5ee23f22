#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/migration_task.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// Takes an operator's word about a migration that was committed: logged, journalled and told. The
/// target is asked once more first. Throws Error{conflict} where there is nothing to decide, where
/// the side that is to have the job has no process of it, and, unless overruled, where the target
/// says otherwise. `context` and `targets` outlive it.
[[nodiscard]] asio::awaitable<void> force_migration(Pin<MigrationTask> task, OperatorDecision order,
                                                    const HandoverContext& context,
                                                    TargetClient& targets);

}  // namespace cardswap
