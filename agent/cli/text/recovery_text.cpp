#include "agent/cli/text/recovery_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {

namespace json = boost::json;

std::string recovery_text(const json::object& job, std::int64_t now_ms) {
  const auto& recovery = object_at(job, "recovery");
  if (recovery.empty()) return {};
  std::string shown;
  if (const auto& last = object_at(recovery, "last"); !last.empty()) {
    const auto age = std::max(static_cast<double>(now_ms) - number_at(last, "at_ms"), 0.0);
    const auto lost = number_at<std::uint64_t>(recovery, "lost_steps");
    shown += fmt::format(
        "recoveries: {}; the last from snapshot {} of step {}{} in {}, {} ago, because {}: {} {} "
        "lost, {} in all\n",
        text(recovery, "recovered"), text(last, "snapshot"), text(last, "step"),
        number_at(last, "log_step") == 0
            ? std::string()
            : " and its gradient log up to step " + text(last, "log_step"),
        text(last, "store"), format_ms(age), text(recovery, "reason"), counted(lost, "step"),
        lost == 1 ? "was" : "were", text(recovery, "lost_steps_total"));
  }
  if (const auto& error = object_at(recovery, "error"); !error.empty()) {
    shown += fmt::format("not recovered: {}\n", text(error, "failure"));
    if (value_at(error, "hint") != nullptr) shown += "hint: " + text(error, "hint") + "\n";
  }
  return shown;
}

std::string recovery_note(const json::object& job) {
  const auto& recovery = object_at(job, "recovery");
  if (!flag_at(recovery, "pending")) return {};
  return "goes on from its newest snapshot: " + text(recovery, "reason");
}

}  // namespace cardswap::cli
