#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "agent/report/report.h"

namespace cardswap::report {

/// A few lines for a terminal; control characters in names and errors are left out.
[[nodiscard]] std::string to_text(const Report& report);
[[nodiscard]] boost::json::object to_json(const Report& report);

/// "warning" and the like.
[[nodiscard]] std::string_view to_string(Finding::Level level);
/// "job gpt moved from a/cpu:0 to b/cpu:0", or what became of it instead.
[[nodiscard]] std::string headline(const Report& report);
/// "39 steps"; empty where that is not known.
[[nodiscard]] std::string steps_text(const std::optional<double>& steps);
/// "11.4 MiB", of bytes that were worked out, as rates are.
[[nodiscard]] std::string size_text(double bytes);

}  // namespace cardswap::report
