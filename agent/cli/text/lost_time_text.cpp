#include "agent/cli/text/lost_time_text.h"

#include <fmt/format.h>

#include "agent/cli/text/fields.h"
#include "migrator/plan/lateness.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string steps(double number) {
  return fmt::format("{:.{}f} step{}", number, number < 10 ? 1 : 0, number == 1 ? "" : "s");
}

bool is_known(const json::object& migration) { return value_at(migration, "lost_ms") != nullptr; }

/// " (16 steps)"; empty where a step's time is next to nothing.
std::string in_steps(const json::object& migration, std::string_view key) {
  if (value_at(migration, key) == nullptr) return {};
  return fmt::format(" ({})", steps(amount_at(migration, key)));
}

}  // namespace

std::string lost_line(const json::object& migration) {
  const auto note = text(migration, "lost_note", "");
  if (!is_known(migration)) {
    return note.empty() ? "" : fmt::format("stall and lost time are not known: {}\n", note);
  }
  auto line = fmt::format("stall {}{}, lost {}{}, a step took {}", ms(migration, "stall_ms"),
                          in_steps(migration, "stall_steps"), ms(migration, "lost_ms"),
                          in_steps(migration, "lost_steps"), ms(migration, "step_ms"));
  if (!flag_at(migration, "lost_is_final")) {
    line += fmt::format("; so far, {} of the {} steps after it are in it",
                        text(migration, "steps_after", "0"), kStepsAfter);
  }
  if (!note.empty()) line += "; " + note;
  return line + "\n";
}

std::string lost_so_far(const json::object& migration) {
  if (amount_at(migration, "lost_ms") <= 0) return {};
  return fmt::format("lost {}{}", ms(migration, "lost_ms"), in_steps(migration, "lost_steps"));
}

std::string lost_cell(const json::object& migration, std::string_view key) {
  if (value_at(migration, key) == nullptr) return "-";
  return ms(migration, key) + (flag_at(migration, "lost_is_final") ? "" : "+");
}

bool is_final_within(const json::object& migration, std::chrono::milliseconds wait) {
  if (!is_known(migration) || flag_at(migration, "lost_is_final")) return false;
  const auto left = kStepsAfter - amount_at(migration, "steps_after");
  return left * amount_at(migration, "step_ms") <= static_cast<double>(wait.count());
}

}  // namespace cardswap::cli
