#include "agent/cli/text/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "agent/base/units.h"
#include "agent/cli/text/columns.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string size(double bytes) {
  return format_size(static_cast<std::uint64_t>(std::clamp(bytes, 0.0, 1e18)));
}

/// The objects in the list under `key`; anything else there is skipped.
std::vector<const json::object*> objects(const json::object& from, std::string_view key) {
  std::vector<const json::object*> found;
  const auto* value = value_at(from, key);
  if (value == nullptr || !value->is_array()) return found;
  for (const auto& item : value->get_array()) {
    if (item.is_object()) found.push_back(&item.get_object());
  }
  return found;
}

bool is_live_state(const json::object& job) {
  const auto state = printable_at(job, "state");
  return state == "starting" || state == "running" || state == "standby" || state == "frozen" ||
         state == "in_doubt";
}

std::string phase(const json::object& migration, const json::object& progress) {
  const auto state = printable_at(migration, "state");
  const auto phase = printable_at(progress, "phase");
  if (state != "syncing" || phase.empty()) return state;
  const auto rounds = number_at(progress, "rounds");
  return rounds > 0 ? fmt::format("{} {:.0f}", phase, rounds) : phase;
}

std::vector<std::string> device_lines(const TopSnapshot& seen, std::size_t width) {
  Rows rows;
  for (const auto* device : objects(seen.devices, "devices")) {
    const auto total = number_at(*device, "total_bytes");
    const auto reserved = number_at(*device, "reserved_bytes");
    std::size_t jobs = 0;
    if (const auto* list = value_at(*device, "jobs"); list != nullptr && list->is_array()) {
      jobs = list->get_array().size();
    }
    rows.push_back({printable_at(*device, "name"), fmt::format("{}", jobs), size(reserved),
                    size(number_at(*device, "free_bytes")), size(total),
                    total > 0 ? fmt::format("{:.0f}%", 100 * reserved / total) : "",
                    printable_at(*device, "model")});
  }
  return fitted({{"DEVICE", 0, false},
                 {"JOBS", 2, true},
                 {"RESERVED", 1, true},
                 {"FREE", 1, true},
                 {"TOTAL", 3, true},
                 {"USED", 4, true},
                 {"MODEL", 5, false}},
                std::move(rows), width);
}

/// What a job's migration adds to its line: from its phase to its target.
std::vector<std::string> moving_cells(const json::object& migration) {
  const auto& progress = object_at(migration, "progress");
  const auto rate = number_at(progress, "rate");
  const auto downtime = number_at(progress, "expected_downtime_ms");
  const auto total = number_at(progress, "total");
  return {
      phase(migration, progress),
      total > 0 ? fmt::format("{}/{}", size(number_at(progress, "transferred")), size(total)) : "",
      rate > 0 ? size(rate) + "/s" : "", downtime > 0 ? format_ms(downtime) : "",
      printable_at(migration, "to")};
}

/// `migration`: that of a job of this name; or null.
std::vector<std::string> job_line(const json::object& job, const json::object* migration) {
  const auto state = printable_at(job, "state");
  const bool has_reported = number_at(job, "step") > 0 || number_at(job, "state_bytes") > 0;
  std::vector<std::string> line{printable_at(job, "name"),
                                state,
                                printable_at(job, "device"),
                                has_reported ? fmt::format("{:.0f}", number_at(job, "step")) : "-",
                                has_reported ? format_ms(number_at(job, "median_step_ms")) : "-",
                                has_reported ? size(number_at(job, "state_bytes")) : "-"};
  std::vector<std::string> more;
  if (migration != nullptr && state != "standby" && is_live_state(job)) {
    more = moving_cells(*migration);
  } else if (const auto to = printable_at(job, "moved_to"); !to.empty()) {
    more = {"", "", "", "", to};
  }
  line.insert(line.end(), more.begin(), more.end());
  return line;
}

std::vector<std::string> job_lines(const TopSnapshot& seen, std::size_t width) {
  std::map<std::string, const json::object*> moving;  // by job
  for (const auto* migration : objects(seen.migrations, "migrations")) {
    if (value_at(*migration, "result") == nullptr)
      moving.emplace(printable_at(*migration, "job"), migration);
  }
  auto jobs = objects(seen.jobs, "jobs");
  std::stable_partition(jobs.begin(), jobs.end(),
                        [](const json::object* job) { return is_live_state(*job); });
  Rows rows;
  for (const auto* job : jobs) {
    const auto found = moving.find(printable_at(*job, "name"));
    rows.push_back(job_line(*job, found == moving.end() ? nullptr : found->second));
  }
  return fitted({{"JOB", 0, false},
                 {"STATE", 1, false},
                 {"DEVICE", 6, false},
                 {"STEP", 2, true},
                 {"STEP TIME", 7, true},
                 {"STATE SIZE", 9, true},
                 {"PHASE", 3, false},
                 {"SENT/TOTAL", 4, true},
                 {"RATE", 8, true},
                 {"DOWNTIME", 5, true},
                 {"TO", 10, false}},
                std::move(rows), width);
}

std::string uptime(double ms) {
  const auto minutes = static_cast<std::int64_t>(ms / 60'000);
  if (minutes >= 48 * 60) return fmt::format("{}d {}h", minutes / 1440, minutes / 60 % 24);
  if (minutes >= 60) return fmt::format("{}h {}m", minutes / 60, minutes % 60);
  return format_ms(ms);
}

std::string header(const TopSnapshot& seen) {
  std::size_t live = 0;
  for (const auto* job : objects(seen.jobs, "jobs")) live += is_live_state(*job) ? 1U : 0U;
  const auto migrations = objects(seen.migrations, "migrations").size();
  return fmt::format("{}  cardswapd {}  up {}  {}, {}", printable_at(seen.version, "host"),
                     printable_at(seen.version, "version"),
                     uptime(number_at(seen.version, "uptime_ms")), counted(live, "job"),
                     counted(migrations, "migration"));
}

}  // namespace

std::vector<TopLine> top_view(const TopSnapshot& seen, std::size_t width, std::size_t height) {
  std::vector<TopLine> lines{{cut(header(seen), width)}};
  if (!seen.lost.empty()) lines.push_back({cut("no answer: " + seen.lost, width)});
  for (const auto& table : {device_lines(seen, width), job_lines(seen, width)}) {
    lines.push_back({});
    bool heading = true;
    for (const auto& line : table) {
      lines.push_back({line, heading});
      heading = false;
    }
  }
  if (objects(seen.jobs, "jobs").empty()) lines.back() = {cut("no jobs", width)};
  if (height > 0 && lines.size() > height) {
    const auto left_out = lines.size() - height + 1;
    lines.resize(height);
    lines.back() = {cut(fmt::format("{} more lines", left_out), width)};
  }
  return lines;
}

}  // namespace cardswap::cli
