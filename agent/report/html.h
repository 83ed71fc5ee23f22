#pragma once

#include <string>

#include "agent/report/report.h"

namespace cardswap::report {

/// One page that stands alone: no script, nothing loaded, light or dark as its reader's system is.
/// Every text of the report is escaped.
[[nodiscard]] std::string to_html(const Report& report);

}  // namespace cardswap::report
