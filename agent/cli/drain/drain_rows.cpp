#include "agent/cli/drain/drain_rows.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "agent/cli/hook.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kHookMax{300};

}  // namespace

DrainRows::DrainRows(std::string hook, std::string drained, DrainView& view)
    : hook_(std::move(hook)), drained_(std::move(drained)), view_(view) {}

std::string DrainRows::run_hook(const DrainItem& item, const std::string& phase) {
  if (hook_.empty()) return {};
  const auto& row = item.row;
  const auto shown = [](const auto& ms) { return ms ? fmt::format("{:.3f}", *ms) : std::string(); };
  const HookFacts facts{{"PHASE", phase},
                        {"HOST", drained_},
                        {"JOB", item.job.name},
                        {"FROM", row.from},
                        {"TO", row.to},
                        {"RESULT", row.result},
                        {"MIGRATION", row.migration},
                        {"NOTE", printable(row.note)},
                        {"DOWNTIME_MS", shown(row.downtime_ms)},
                        {"LOST_MS", shown(row.lost_ms)}};
  view_.clear_progress();
  return cli::run_hook({hook_, phase, item.job.name}, facts, kHookMax);
}

void DrainRows::finish(DrainItem& item, std::string result, std::string note) {
  item.phase = DrainItem::Phase::over;
  item.row.result = std::move(result);
  item.row.note = std::move(note);
  if (std::exchange(item.hooked, false)) {
    if (const auto failed = run_hook(item, "after"); !failed.empty()) {
      item.row.note += (item.row.note.empty() ? "" : "; ") + ("hook after it: " + failed);
    }
  }
  view_.print(item.row);
}

void cordon_host(Client client, const json::object& cordons, const std::string& reason) {
  for (const auto& item : array_at(cordons, "cordons")) {
    const auto* cordon = item.if_object();
    const auto* device = cordon != nullptr ? cordon->if_contains("device") : nullptr;
    if (device != nullptr && device->is_null()) return;
  }
  client.call("POST", "/v1/cordon",
              json::object{{"device", nullptr}, {"reason", reason}, {"by", whoami()}});
}

}  // namespace cardswap::cli
