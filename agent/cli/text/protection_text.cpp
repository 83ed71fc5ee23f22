#include "agent/cli/text/protection_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "agent/base/units.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string every_text(const json::object& protection) {
  const auto steps = number_at<std::uint64_t>(protection, "every_steps");
  if (steps == 1) return "every step";
  if (steps > 1) return fmt::format("every {} steps", steps);
  if (!flag_at(protection, "auto")) return "every " + ms(protection, "every_ms");
  const auto& interval = object_at(protection, "interval");
  return interval.empty() ? "automatically" : "every " + ms(interval, "every_ms");
}

/// "24 h", and what are no whole hours as other times.
std::string mtbf_text(double ms) {
  constexpr double kHourMs = 3'600'000;
  const auto hours = ms / kHourMs;
  return hours >= 1 && hours == std::floor(hours) ? fmt::format("{:.0f} h", hours) : format_ms(ms);
}

/// Why an automatic interval is as long as it is; empty: the interval is not automatic.
std::string interval_line(const json::object& protection) {
  const auto& interval = object_at(protection, "interval");
  if (interval.empty()) return {};
  const auto reason = text(interval, "reason");
  const auto each =
      number_at(interval, "measured") == 0
          ? std::string("what a snapshot costs is not known so far")
          : fmt::format("a snapshot costs {}, a failure each {}", ms(interval, "cost_ms"),
                        mtbf_text(number_at(interval, "mtbf_ms")));
  auto why = each;  // of `cost` and `unknown_cost`
  if (reason == "stored_time") why = "a snapshot takes that long to be stored (" + each + ")";
  if (reason == "shortest") why = "none are taken more often (" + each + ")";
  if (reason == "longest") why = "no job goes longer without one (" + each + ")";
  return fmt::format("every {}: {}\n", ms(interval, "every_ms"), why);
}

std::string last_text(const json::object& protection, std::int64_t now_ms) {
  const auto& last = object_at(protection, "last");
  if (last.empty()) return "no snapshot so far";
  const auto age = std::max(static_cast<double>(now_ms) - number_at(last, "at_ms"), 0.0);
  return fmt::format("snapshot {} of step {}, {} ago", text(last, "snapshot"), text(last, "step"),
                     format_ms(age));
}

/// How far the gradient log is; empty: none is kept.
std::string log_line(const json::object& protection) {
  const auto mode = text(protection, "log");
  const auto& logged = object_at(protection, "logged");
  if (mode != "async" && mode != "sync") return {};
  if (logged.empty() || value_at(logged, "to") == nullptr) {
    const auto failure = logged.empty() || value_at(logged, "failure") == nullptr
                             ? std::string()
                             : ": " + text(logged, "failure");
    return fmt::format("gradient log ({}): nothing so far{}\n", mode, failure);
  }
  auto line = fmt::format("gradient log ({}): to step {}, {} behind, {} kept from step {} on\n",
                          mode, text(logged, "to"), text(logged, "behind"),
                          format_size(number_at<std::uint64_t>(logged, "kept_bytes")),
                          text(logged, "from"));
  if (number_at(logged, "waited_ms") > 0) {
    line += "steps stood " + ms(logged, "waited_ms") + " for it\n";
  }
  if (number_at(logged, "unproven") > 0) {
    line += fmt::format("{} logged steps have no digest: the next step began too soon\n",
                        text(logged, "unproven"));
  }
  if (number_at(logged, "dropped") > 0) {
    line += fmt::format(
        "log dropped at step {} ({} steps in all): it leads on from the next "
        "snapshot\n",
        text(logged, "dropped_step"), text(logged, "dropped"));
  }
  if (value_at(logged, "failure") != nullptr) {
    line += "not logged: " + text(logged, "failure") + "\n";
  }
  return line;
}

}  // namespace

std::string protection_text(const json::object& job, std::int64_t now_ms) {
  const auto& protection = object_at(job, "protection");
  if (protection.empty()) return {};
  auto shown = fmt::format("protected {} in {}, kept: {}; {}\n", every_text(protection),
                           text(protection, "store"), text(protection, "keep"),
                           last_text(protection, now_ms));
  shown += interval_line(protection);
  shown += log_line(protection);
  if (const auto& error = object_at(protection, "error"); !error.empty()) {
    const auto wait = number_at(protection, "retry_at_ms") - static_cast<double>(now_ms);
    shown += fmt::format("{} in a row failed: {}\n", text(protection, "failures_in_a_row"),
                         text(error, "failure"));
    if (value_at(error, "hint") != nullptr) shown += "hint: " + text(error, "hint") + "\n";
    if (wait > 0) shown += fmt::format("the next try is in {}\n", format_ms(wait));
  }
  if (value_at(protection, "prune_error") != nullptr) {
    shown += "not pruned: " + text(protection, "prune_error") + "\n";
  }
  return shown;
}

std::string protection_trouble(const json::object& job) {
  const auto& error = object_at(object_at(job, "protection"), "error");
  return error.empty() ? std::string() : "no snapshot: " + text(error, "failure");
}

}  // namespace cardswap::cli
