#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/cli/text/fields.h"
#include "agent/cli/text/protection_text.h"
#include "agent/cli/text/recovery_text.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string how_it_ended(const json::object& job) {
  if (value_at(job, "exit_signal") != nullptr) return "signal " + text(job, "exit_signal");
  if (value_at(job, "exit_code") != nullptr) return "exit " + text(job, "exit_code");
  return text(job, "exit_text");
}

/// "process 12", "processes 12, 13".
std::string process_names(const json::array& processes) {
  std::vector<std::string> numbers;
  for (const auto& process : processes) numbers.push_back(json::serialize(process));
  return (processes.size() == 1 ? "process " : "processes ") + joined_first(numbers);
}

/// Whether the table shows the job: live jobs, and those that need attention unless a live one has
/// the same name.
bool is_shown(const json::object& job, const json::array& all) {
  const auto name = text(job, "name");
  if (!is_over(job)) {
    return text(job, "state") != "standby" || std::ranges::none_of(all, [&](const auto& other) {
             const auto& one = other.as_object();
             return text(one, "name") == name && !is_over(one) && text(one, "state") != "standby";
           });
  }
  if (!array_at(job, "still_alive").empty()) return true;
  const auto state = text(job, "state");
  return (state == "failed" || state == "lost") &&
         std::ranges::none_of(all, [&](const auto& other) {
           return text(other.as_object(), "name") == name && !is_over(other.as_object());
         });
}

/// The first reason of its runtime why it cannot move, and how many more there are.
std::string cannot_move(const json::object& job) {
  const auto& all = array_at(job, "cannot_move");
  if (all.empty() || !all.front().is_object()) return {};
  const auto more = all.size() - 1;
  return text(all.front().get_object(), "reason") +
         (more == 0 ? std::string() : fmt::format(" (and {} more)", more));
}

/// "rank 1 of 3", "ranks 0, 2 of 3": those of a job of many that are here; empty for one process.
std::string ranks_here(const json::object& job) {
  std::vector<std::string> ranks;
  for (const auto& item : array_at(job, "ranks")) {
    if (!item.is_object() || value_at(item.get_object(), "moved_to") != nullptr) continue;
    ranks.push_back(text(item.get_object(), "rank"));
  }
  if (ranks.empty() || number_at(job, "world_size") <= 1) return {};
  return fmt::format("{} {} of {}", ranks.size() == 1 ? "rank" : "ranks", joined_first(ranks),
                     text(job, "world_size"));
}

std::string note_on(const json::object& job) {
  std::string note;
  if (const auto recovering = recovery_note(job); !recovering.empty())
    note = recovering;
  else if (value_at(job, "note") != nullptr)
    note = text(job, "note");
  else if (value_at(job, "moved_to") != nullptr)
    note = "moved to " + text(job, "moved_to");
  else if (value_at(job, "ended_at_ms") != nullptr)
    note = how_it_ended(job);
  else if (const auto trouble = protection_trouble(job); !trouble.empty())
    note = trouble;
  else if (const auto in_the_way = cannot_move(job); !in_the_way.empty())
    note = "cannot move: " + in_the_way;
  else if (value_at(job, "came_from") != nullptr)
    note = "came from " + text(job, "came_from");
  else if (text(job, "state") == "starting")
    note = "no Cardswap runtime attached yet";
  if (auto ranks = ranks_here(job); !ranks.empty()) {
    note = note.empty() ? std::move(ranks) : ranks + "; " + note;
  }
  const auto& alive = array_at(job, "still_alive");
  if (alive.empty()) return note;
  return fmt::format("{}{}{} still alive", note, note.empty() ? "" : "; ", process_names(alive));
}

/// "42s", "12m", "5h12m", "3d4h".
std::string age(double ms) {
  const auto seconds = static_cast<std::int64_t>(std::max(ms, 0.0) / 1000);
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  if (seconds < kMinute) return fmt::format("{}s", seconds);
  if (seconds < kHour) return fmt::format("{}m", seconds / kMinute);
  if (seconds < kDay) return fmt::format("{}h{}m", seconds / kHour, seconds % kHour / kMinute);
  return fmt::format("{}d{}h", seconds / kDay, seconds % kDay / kHour);
}

}  // namespace

bool is_over(const json::object& job) {
  const auto state = text(job, "state");
  return state == "ended" || state == "stopped" || state == "failed" || state == "lost" ||
         state == "moved";
}

std::string jobs_table(const json::object& answer, const JobsView& view) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "STATE", "DEVICE", "AGE", "STEP", "STEP TIME", "STATE SIZE", "NOTE"}};
  if (view.wide) rows[0].insert(rows[0].end() - 1, {"PID", "EPOCH"});
  std::size_t hidden = 0;
  const auto& jobs = array_at(answer, "jobs");
  for (const auto& item : jobs) {
    const auto& job = item.as_object();
    if (!view.all && !is_shown(job, jobs)) {
      ++hidden;
      continue;
    }
    // A program without a runtime reports neither steps nor state.
    const bool has_reported = number_at(job, "step") > 0 || number_at(job, "state_bytes") > 0;
    std::vector<std::string> row{
        text(job, "name"),
        text(job, "state"),
        text(job, "device"),
        age(static_cast<double>(view.now_ms) - number_at(job, "started_at_ms")),
        has_reported ? text(job, "step") : "-",
        has_reported ? ms(job, "median_step_ms") : "-",
        has_reported ? size(job, "state_bytes") : "-",
        note_on(job)};
    if (view.wide) row.insert(row.end() - 1, {text(job, "pid"), text(job, "epoch")});
    rows.push_back(std::move(row));
  }
  auto result = table(rows);
  if (hidden > 0) {
    result +=
        fmt::format("{} more {} over: cardswap jobs --all\n", hidden, hidden == 1 ? "is" : "are");
  }
  return result;
}

std::string stopped_text(const json::object& job) {
  const auto how = value_at(job, "exit_signal") != nullptr || value_at(job, "exit_code") != nullptr
                       ? " (" + how_it_ended(job) + ")"
                       : std::string();
  const auto& processes = array_at(job, "ended_processes");
  return fmt::format(
      "job {} is {}{}{}\n", text(job, "name"), text(job, "state"), how,
      processes.empty() ? "" : fmt::format("; ended here: {}", process_names(processes)));
}

std::string state_table(const json::object& answer) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "KIND", "TYPE", "DEVICE", "DTYPE", "SIZE", "TENSORS", "MOVES", "CHANGED", "NOTE"}};
  std::string lacking;
  for (const auto& one : array_at(answer, "items")) {
    if (!one.is_object()) continue;
    const auto& item = one.get_object();
    const auto* tracked = value_at(item, "tracked");
    if (tracked != nullptr && tracked->is_bool() && !tracked->get_bool()) {
      lacking += fmt::format("cannot move: {}\n  {}\n", text(item, "name"), text(item, "note", ""));
      continue;
    }
    const auto* changed = value_at(item, "changed");
    rows.push_back({text(item, "name"), text(item, "kind"), text(item, "type"),
                    text(item, "device"), text(item, "dtype"), size(item, "bytes"),
                    number_at(item, "tensors") > 0 ? text(item, "tensors") : "-",
                    text(item, "moves"),
                    changed == nullptr   ? "-"
                    : changed->as_bool() ? "yes"
                                         : "no",
                    text(item, "note", "")});
  }
  return table(rows) + lacking;
}

}  // namespace cardswap::cli
