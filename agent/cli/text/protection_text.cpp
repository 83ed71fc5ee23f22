#include "agent/cli/text/protection_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string every_text(const json::object& protection) {
  const auto steps = number_at<std::uint64_t>(protection, "every_steps");
  if (steps == 1) return "every step";
  if (steps > 1) return fmt::format("every {} steps", steps);
  return "every " + ms(protection, "every_ms");
}

std::string last_text(const json::object& protection, std::int64_t now_ms) {
  const auto& last = object_at(protection, "last");
  if (last.empty()) return "no snapshot so far";
  const auto age = std::max(static_cast<double>(now_ms) - number_at(last, "at_ms"), 0.0);
  return fmt::format("snapshot {} of step {}, {} ago", text(last, "snapshot"), text(last, "step"),
                     format_ms(age));
}

}  // namespace

std::string protection_text(const json::object& job, std::int64_t now_ms) {
  const auto& protection = object_at(job, "protection");
  if (protection.empty()) return {};
  auto shown = fmt::format("protected {} in {}, kept: {}; {}\n", every_text(protection),
                           text(protection, "store"), text(protection, "keep"),
                           last_text(protection, now_ms));
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
