#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/migration_task.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// Carries out an operator's decision about a migration that was committed: asks the target once
/// more, then logs, journals and reports it. Throws Error{conflict} where there is nothing to
/// decide, where the job is to go on here and has no process here, and, unless overruled, where the
/// target contradicts; Error{io} where the disk refuses. `context` and `targets` must outlive it.
[[nodiscard]] asio::awaitable<void> force_migration(Pin<MigrationTask> task,
                                                    OperatorDecision decision,
                                                    const HandoverContext& context,
                                                    TargetClient& targets);

}  // namespace cardswap
