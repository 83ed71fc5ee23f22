#pragma once

#include <string>

#include "agent/handover/target/reservation.h"

namespace cardswap {

/// Checks that an operator of `host`, where `r` is, may give it up: before the standby has verified
/// the state, later its source may have decided. Throws Error{conflict} that says what to do
/// instead.
void check_cancel(const Reservation& r, const std::string& host);

}  // namespace cardswap
