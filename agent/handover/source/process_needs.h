#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/criu/examination.h"
#include "agent/handover/base/handover_context.h"

namespace cardswap {

/// Examines the process of `instance` for a move by CRIU: the reasons why it cannot move, and what
/// it needs at its target. Takes some seconds at most, while the job runs on; `context` must
/// outlive it. Throws Error{source_lost, not_found} when the process ends meanwhile.
[[nodiscard]] boost::asio::awaitable<criu::TreeReport> examine_process(
    const HandoverContext& context, std::string instance);

}  // namespace cardswap
