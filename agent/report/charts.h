#pragma once

#include <string>
#include <string_view>

#include "agent/report/report.h"

/// The report's charts as SVG elements, for a page with the style sheet (report/style.h). Pure.
namespace cardswap::report {

/// What each side did over time; below it, on the same time axis, steps, bytes sent, the rate and,
/// if they apply, the log's lag, the downtime that a freeze would have taken, and the throttle.
[[nodiscard]] std::string timeline_chart(const Report& report);

/// The predicted downtime as a bar, above the parts of the measured one. Empty: neither is known.
[[nodiscard]] std::string downtime_chart(const Report& report);

/// The style sheet's class for the name of a state, a phase or what a trainer does; "k-wait" for
/// any other name.
[[nodiscard]] std::string_view style_of(std::string_view name);

}  // namespace cardswap::report
