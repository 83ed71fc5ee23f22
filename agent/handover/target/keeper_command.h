#pragma once

#include <string>
#include <vector>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/target/reservation.h"

namespace cardswap {

/// What runs in place of a standby where the state goes to a store: `cardswap-keeper`, with what
/// the snapshot is to say of the program whose environment and folder it has.
[[nodiscard]] std::vector<std::string> keeper_command(const Reservation& reservation,
                                                      const HandoverContext& context);

}  // namespace cardswap
