#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/migration_task.h"
#include "agent/handover/operator_decision.h"
#include "agent/handover/parts.h"
#include "agent/handover/target_client.h"

namespace cardswap {

/// Takes an operator's word about a migration that was committed: logged, journalled and told. The
/// target is asked once more first. Throws Error{conflict} where there is nothing to decide, where
/// the side that is to have the job has no process of it, and, unless overruled, where the target
/// says otherwise. `parts` and `targets` outlive it.
[[nodiscard]] asio::awaitable<void> force_migration(AtWork<MigrationTask> task,
                                                    OperatorDecision order,
                                                    const HandoverParts& parts,
                                                    TargetClient& targets);

}  // namespace cardswap
