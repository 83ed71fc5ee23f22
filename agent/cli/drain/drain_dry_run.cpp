// Where the jobs would go, and what their migrations would cost; changes nothing.

#include <boost/json.hpp>

#include "agent/base/printable_fields.h"
#include "agent/cli/drain/drain.h"
#include "agent/handover/base/migration_body.h"

namespace cardswap::cli {
namespace {

void put_prediction(const boost::json::object& plan, DrainRow& row) {
  row.strategy = printable_at(plan, "strategy");
  for (const auto& prediction : array_at(plan, "predictions")) {
    const auto* p = prediction.if_object();
    if (p == nullptr || printable_at(*p, "strategy") != row.strategy) continue;
    row.downtime_ms = amount_at(*p, "downtime_ms");
    row.total_time_ms = amount_at(*p, "total_time_ms");
  }
}

/// Why the plan is not allowed; empty: it is.
std::string blocked_text(const boost::json::object& plan) {
  std::string blocked;
  for (const auto& reason : array_at(plan, "blocked_reasons")) {
    if (!reason.is_string()) continue;
    blocked += (blocked.empty() ? "" : "; ") + printable(reason.get_string());
  }
  return blocked;
}

}  // namespace

void Drain::predict(Item& item) {
  if (!item.ranks.empty()) {
    return run_.finish(item, "fits", "what the move of ranks costs is not predicted");
  }
  auto spec = options_.how.spec();
  spec.job = item.job.name;
  spec.to = item.row.to;
  auto body = request_body(spec);
  body["dry_run"] = true;
  try {
    const auto plan = run_.client().call("POST", "/v1/migrations", std::move(body));
    put_prediction(plan, item.row);
    const auto blocked = blocked_text(plan);
    run_.finish(item, blocked.empty() ? "fits" : "stays", blocked);
  } catch (const Error& error) {
    run_.finish(item, "stays", error.failure());
  }
}

Exit Drain::dry_run() {
  refresh();
  std::vector<Item*> items;
  for (auto& item : items_) {
    if (item.phase != Phase::over) items.push_back(&item);
  }
  const auto placement = place_items(items, targets_.devices());
  begin_table();
  for (const auto& unplaced : placement.unplaced) {
    auto reasons = unplaced.reasons;
    if (!targets_.problems().empty()) reasons.push_back(unanswered());
    auto& item = *items[unplaced.item];
    if (item.phase == Phase::moving) continue;
    run_.finish(item, "stays", to_string(reasons));
  }
  for (const auto& placed : placement.placed) {
    auto& item = *items[placed.item];
    if (item.phase == Phase::moving) continue;
    item.row.to = placed.to;
    predict(item);
  }
  for (auto& item : items_) {
    if (item.phase != Phase::moving) continue;
    item.hooked = false;
    run_.finish(item, "fits", "under way already as " + item.row.migration);
  }
  return run_.end(items_);
}

}  // namespace cardswap::cli
