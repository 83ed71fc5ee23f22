#pragma once

#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Notes a message of the runtime of `source`, which leaves by the migration of `scope`. Messages
/// about another migration, or too late for the state of the process, are ignored; a failure and
/// the job's end go to MigrationControl::fail(). Once the state is captured only Released counts,
/// besides figures. True: coroutines that wait for a change may have something to do. `book`
/// corrects the predictions.
[[nodiscard]] bool on_trainer_message(const MigrationContext& scope, Instance& source,
                                      const channel::Message& message, const PredictionBook& book);

}  // namespace cardswap
