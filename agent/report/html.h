#pragma once

#include <string>

#include "agent/report/report.h"

namespace cardswap::report {

/// The report as one page that needs nothing else: no script, nothing to load; light or dark as the
/// reader's system is. Every text of the report is escaped.
[[nodiscard]] std::string to_html(const Report& report);

}  // namespace cardswap::report
