#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/target/reservation_list.h"
#include "agent/handover/target/running_reservation.h"

namespace cardswap {

/// References that the parts of one ReservationTask share. The task owns it, and the parts do not
/// outlive the task.
struct ReservationScope {
  const HandoverContext& context;
  ReservationList& list;
  Reservation& reservation;  ///< of the list
  RunningReservation& run;   ///< its task
};

}  // namespace cardswap
