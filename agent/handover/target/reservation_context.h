#pragma once

#include "agent/handover/base/handover_context.h"
#include "agent/handover/target/reservation_control.h"
#include "agent/handover/target/reservation_list.h"

namespace cardswap {

/// References that the parts of one ReservationTask share. The task owns it, and the parts do not
/// outlive the task.
struct ReservationContext {
  const HandoverContext& context;
  ReservationList& list;
  Reservation& reservation;  ///< of the list
  ReservationControl& run;   ///< its task
};

}  // namespace cardswap
