#include "agent/cli/drain/drain_run.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <utility>

#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/cli/hook.h"
#include "agent/cli/text/fields.h"
#include "agent/http/agent_address.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kTick{150};
constexpr std::chrono::seconds kHookMax{300};

}  // namespace

DrainRun::DrainRun(const Context& context, const DrainOptions& options)
    : context_(context),
      options_(options),
      drained_(http::parse_agent_address("drain", options.host).agent),
      host_name_(printable_at(client().call("GET", "/v1/version"), "host")),
      deadline_(Clock::time_point::max()),
      view_(context, options.dry_run) {
  if (!validate::is_device_or_host(host_name_)) host_name_ = drained_.text();
  const auto limit = parse_duration("--deadline", options.deadline);
  if (limit.count() > 0) deadline_ = Clock::now() + limit;
}

json::object DrainRun::call(const DrainCall& made) {
  return call_drained(client(), interrupts_, made);
}

void DrainRun::cordon() {
  const auto known = ask("/v1/cordon");
  for (const auto& item : array_at(known, "cordons")) {
    const auto* cordon = item.if_object();
    const auto* device = cordon != nullptr ? cordon->if_contains("device") : nullptr;
    if (device != nullptr && device->is_null()) return;
  }
  client().call("POST", "/v1/cordon",
                json::object{{"device", nullptr}, {"reason", options_.reason}, {"by", whoami()}});
}

bool DrainRun::begin(DrainItem& item) {
  if (item.hooked) return true;
  item.hooked = true;
  const auto failed = run_hook(item, "before");
  if (failed.empty()) return true;
  item.hooked = false;  // no `after` for what never began
  finish(item, "skipped", "hook before it: " + failed);
  return false;
}

std::string DrainRun::run_hook(const DrainItem& item, const std::string& phase) {
  if (options_.hook.empty()) return {};
  const auto& row = item.row;
  const auto shown = [](const auto& ms) { return ms ? fmt::format("{:.3f}", *ms) : std::string(); };
  const HookFacts facts{{"PHASE", phase},
                        {"HOST", drained_.text()},
                        {"JOB", item.moves()},
                        {"FROM", row.from},
                        {"TO", row.to},
                        {"RESULT", row.result},
                        {"MIGRATION", row.migration},
                        {"NOTE", printable(row.note)},
                        {"DOWNTIME_MS", shown(row.downtime_ms)},
                        {"LOST_MS", shown(row.lost_ms)}};
  view_.clear_progress();
  return cli::run_hook({options_.hook, phase, item.moves()}, facts, kHookMax);
}

void DrainRun::finish(DrainItem& item, std::string result, std::string note) {
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

void DrainRun::leave(DrainItem& item) {
  item.hooked = false;
  finish(item, "under-way", "cardswap status " + item.row.migration);
}

void DrainRun::stop(DrainItem& item) {
  if (item.phase == DrainItem::Phase::waiting) finish(item, "not-started", "by the " + stopped_);
  if (item.phase != DrainItem::Phase::moving) return;
  try {
    client().call("POST", "/v1/migrations/" + item.row.migration + "/cancel");
  } catch (const Error& error) {
    view_.clear_progress();
    std::cerr << "cardswap: " << error.failure() << "\n";
  }
}

DrainRun::Next DrainRun::tick(std::size_t moving, const std::string& what) {
  if (interrupts_.has_come(kTick)) {
    view_.clear_progress();
    if (!stopped_.empty()) return Next::leave;
    const auto question =
        fmt::format("Stop the drain of {} and cancel {} {}?", drained_.text(), moving, what);
    if (interrupts_.confirm(question)) stopped_ = "interrupt";
    if (!stopped_.empty()) return Next::stop;
  }
  if (!stopped_.empty() || Clock::now() < deadline_) return Next::go_on;
  stopped_ = "deadline";
  return Next::stop;
}

Exit DrainRun::end(const std::list<DrainItem>& items) {
  return view_.end({options_.host, drained_.text(), host_name_}, items, stopped_);
}

}  // namespace cardswap::cli
