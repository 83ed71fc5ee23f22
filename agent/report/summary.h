#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "agent/report/report.h"

namespace cardswap::report {

/// The report as lines for a terminal, without control characters.
[[nodiscard]] std::string to_text(const Report& report);
/// The report as `cardswap report -o json` prints it.
[[nodiscard]] boost::json::object to_json(const Report& report);

/// "note", "warning" or "failure".
[[nodiscard]] std::string_view to_string(Finding::Level level);
/// "job gpt moved from a/cpu:0 to b/cpu:0", or what happened instead.
[[nodiscard]] std::string headline(const Report& report);
/// "39 steps"; empty if `steps` is none.
[[nodiscard]] std::string steps_text(const std::optional<double>& steps);
/// "11.4 MiB", for bytes that were calculated; below 0 counts as 0.
[[nodiscard]] std::string size_text(double bytes);

}  // namespace cardswap::report
