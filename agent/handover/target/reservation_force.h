#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/target/reservation_task.h"

namespace cardswap {

/// Takes an operator's word about a job on its way in: logged, journalled and told. The source is
/// asked once more before the job is taken here. Throws Error{conflict} where it is too late, and,
/// unless overruled, where the source says otherwise. `context` outlives it.
[[nodiscard]] asio::awaitable<void> force_reservation(Pin<ReservationTask> task,
                                                      OperatorDecision decision,
                                                      const HandoverContext& context);

}  // namespace cardswap
