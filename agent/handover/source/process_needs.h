#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/criu/examination.h"
#include "agent/handover/base/handover_context.h"

namespace cardswap {

/// Examines the process of `instance` for a move by CRIU: the reasons why it cannot move, and what
/// it needs at its target. Takes some seconds at most, while the job runs on; `context` must
/// outlive it. Throws Error{source_lost} when the process ends meanwhile, Error{not_found} for a
/// device that is not configured any more, and what criu::examine() and members_of() throw.
[[nodiscard]] boost::asio::awaitable<criu::TreeReport> examine_process(
    const HandoverContext& context, std::string instance);

}  // namespace cardswap
