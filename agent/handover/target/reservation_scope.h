#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/target/reservation_list.h"
#include "agent/handover/target/running_reservation.h"

namespace cardswap {

/// What the parts of one place under way work with. ReservationTask has it; they live as long.
struct ReservationScope {
  const HandoverContext& context;
  ReservationList& list;
  Reservation& reservation;  ///< of the list
  RunningReservation& run;   ///< its task
};

}  // namespace cardswap
