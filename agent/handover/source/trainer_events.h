#pragma once

#include "agent/handover/source/migration.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/running_migration.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Notes what the runtime of `source`, which leaves by `m`, says of itself and of this migration;
/// what is of another one is not. True: whoever waits for `m` may have something to do. What ends
/// it is told to `run`. `book` corrects what it predicts.
[[nodiscard]] bool on_trainer_message(RunningMigration& run, Migration& m, Instance& source,
                                      const channel::Message& message, const PredictionBook& book);

}  // namespace cardswap
