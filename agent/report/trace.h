#pragma once

#include <boost/json/object.hpp>

#include "agent/report/report.h"

namespace cardswap::report {

/// The report in Chrome's trace event format, which Perfetto and chrome://tracing open: what each
/// side did as complete events, figures as counters, in the order of time. Microseconds since the
/// migration was planned.
[[nodiscard]] boost::json::object to_trace(const Report& report);

}  // namespace cardswap::report
