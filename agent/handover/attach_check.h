#pragma once

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"

/// The check of a runtime that attaches against the epochs that this host knows of its job.
namespace cardswap::handover {

/// Decides on the Hello of a primary, which reports the epoch `reported`. True: it may step. False:
/// it has to wait for a migration that is decided. Throws Error{conflict} where a higher epoch of
/// the job was granted: the job then stands for good, and a log line and an event say so.
[[nodiscard]] bool check_attach(Instance& primary, Epoch reported, Jobs& jobs,
                                const Migrations& migrations, const Reservations& reservations,
                                EventSink& events);

}  // namespace cardswap::handover
