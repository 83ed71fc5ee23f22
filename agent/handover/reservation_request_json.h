#pragma once

#include "agent/api/router.h"
#include "agent/handover/base/reservation_request.h"

namespace cardswap {

/// Reads the body of the call POST /v1/peer/reservations. Throws Error{bad_request} that names the
/// field and does not repeat its value.
[[nodiscard]] ReservationRequest reservation_request_from(const ApiRequest& request);

}  // namespace cardswap
