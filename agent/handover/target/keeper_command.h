#pragma once

#include <string>
#include <vector>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// Returns the command line of `cardswap-keeper`, which takes a snapshot in the place of the
/// standby's program. It has what the snapshot records of the job; the keeper runs with the job's
/// environment and folder, and records those itself. `reservation.spec` must be set. The epoch is
/// the one under which the job steps now, one below the reservation's.
[[nodiscard]] std::vector<std::string> keeper_command(const Reservation& reservation,
                                                      const HandoverContext& context);

}  // namespace cardswap
