#pragma once

#include "agent/base/config.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/source/migration.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// The reservation that `transfer` needs at its target. A migration and its dry run ask for the
/// same, so that both are refused for the same reasons. `source`: the process that moves. The
/// caller adds what CRIU needs (`process`).
[[nodiscard]] ReservationRequest wanted_reservation(const Migration& m, const Transfer& transfer,
                                                    const Instance& source, const Config& config);

}  // namespace cardswap
