#pragma once

#include "agent/base/config.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/source/migration.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// What `transfer` needs at its target, for the migration and for its dry run alike: what the one
/// is refused the other is refused too. `source`: the process that moves; what CRIU needs of it is
/// the caller's to add.
[[nodiscard]] ReservationRequest wanted_reservation(const Migration& m, const Transfer& transfer,
                                                    const Instance& source, const Config& config);

}  // namespace cardswap
