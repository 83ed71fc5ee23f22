#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/target/reservation_task.h"

namespace cardswap {

/// Carries out an operator's decision about a job that arrives: asks the source once more before
/// the job is taken here, then logs, journals and reports it. Throws Error{conflict} where the
/// state does not allow it, and, unless overruled, where the source contradicts; Error{io} where
/// the disk refuses. `context` must outlive it.
[[nodiscard]] asio::awaitable<void> force_reservation(Pin<ReservationTask> task,
                                                      OperatorDecision decision,
                                                      const HandoverContext& context);

}  // namespace cardswap
