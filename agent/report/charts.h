#pragma once

#include <string>
#include <string_view>

#include "agent/report/report.h"

/// The report's drawings, as SVG for a page that has the style sheet.
namespace cardswap::report {

/// What each side did, and below it on the same time axis: steps, bytes sent, rate, and where they
/// apply the log's lag, the downtime that a freeze would have taken, and the throttle.
[[nodiscard]] std::string timeline_chart(const Report& report);

/// The predicted downtime over the measured one in its parts. Empty when neither is known.
[[nodiscard]] std::string downtime_chart(const Report& report);

/// The style sheet's class of a state, a phase or what a trainer does.
[[nodiscard]] std::string_view style_of(std::string_view name);

}  // namespace cardswap::report
