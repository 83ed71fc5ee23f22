#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/handover/operator_decision.h"
#include "agent/handover/parts.h"
#include "agent/handover/reservation_task.h"

namespace cardswap {

/// Takes an operator's word about a job on its way in: logged, journalled and told. The source is
/// asked once more before the job is taken here. Throws Error{conflict} where it is too late, and,
/// unless overruled, where the source says otherwise. `parts` outlive it.
[[nodiscard]] asio::awaitable<void> force_place(AtWork<ReservationTask> task,
                                                OperatorDecision order, const HandoverParts& parts);

}  // namespace cardswap
