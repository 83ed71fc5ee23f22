#pragma once

#include <boost/json/object.hpp>

#include "agent/report/report.h"

namespace cardswap::report {

/// The report in Chrome's trace event format, for Perfetto and chrome://tracing: what each side did
/// as complete events, figures as counters, in the order of time. Times are in microseconds since
/// the migration was planned.
[[nodiscard]] boost::json::object to_trace(const Report& report);

}  // namespace cardswap::report
