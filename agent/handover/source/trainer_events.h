#pragma once

#include "agent/handover/source/migration_scope.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Notes what the runtime of `source`, which leaves by the migration of `scope`, says of itself and
/// of this migration; what is of another one is not. True: whoever waits for it may have something
/// to do. What ends it is told to its task. `book` corrects what it predicts.
[[nodiscard]] bool on_trainer_message(const MigrationScope& scope, Instance& source,
                                      const channel::Message& message, const PredictionBook& book);

}  // namespace cardswap
