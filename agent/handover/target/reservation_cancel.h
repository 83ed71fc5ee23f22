#pragma once

#include <string>

#include "agent/handover/target/reservation.h"

namespace cardswap {

/// Checks that an operator of `host`, this host, may cancel `r`: only before the standby has
/// verified the state, because later its source may have committed. Throws Error{conflict} that
/// says what to do instead.
void check_cancel(const Reservation& r, const std::string& host);

}  // namespace cardswap
