#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/criu/examination.h"
#include "agent/handover/base/handover_context.h"

namespace cardswap {

/// Says why a job's process, by its instance, has to stay where it is, and what it needs where CRIU
/// brings it. Takes some seconds at most, while the job runs on; `context` outlives that. Throws
/// Error{source_lost} when it is gone meanwhile.
[[nodiscard]] boost::asio::awaitable<criu::TreeReport> examine_process(
    const HandoverContext& context, std::string instance);

}  // namespace cardswap
