#pragma once

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"

/// A runtime that attaches, against what this host knows of its job's epochs.
namespace cardswap::handover {

/// Decides on a primary's Hello. A job that is refused is made to stand, told and refused. Throws
/// Error{conflict}.
[[nodiscard]] bool check_attach(Instance& primary, Epoch reported, Jobs& jobs,
                                const Migrations& migrations, const Reservations& reservations,
                                EventSink& events);

}  // namespace cardswap::handover
