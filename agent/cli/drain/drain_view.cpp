#include "agent/cli/drain/drain_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <utility>
#include <vector>

#include "agent/base/printable_fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {

namespace json = boost::json;

void DrainView::begin(const std::string& host, const std::list<DrainItem>& items,
                      std::size_t to_width) {
  std::vector<std::string> jobs;
  for (const auto& item : items) jobs.push_back(item.moves());
  table_.emplace(jobs, host, to_width);
  if (context_.wants_json() || context_.quiet || items.empty()) return;
  std::cout << table_->heading() << std::flush;
  for (const auto& item : items) {
    if (item.phase == DrainItem::Phase::over) print(item.row);
  }
}

void DrainView::print(const DrainRow& row) {
  if (!table_ || context_.wants_json() || (context_.quiet && row.is_gone())) return;
  clear_progress();
  std::cout << table_->line(row) << std::flush;
}

void DrainView::show_progress(const std::list<DrainItem>& items) {
  if (context_.quiet || context_.wants_json()) return;
  if (!line_.is_shown()) {
    for (const auto& item : items) {
      if (item.phase != DrainItem::Phase::moving) continue;
      auto state = printable_at(item.migration, "state");
      auto& shown = shown_states_[item.job.name];
      if (state == shown) continue;
      shown = std::move(state);
      std::cerr << fmt::format("job {} to {}: {}\n", item.moves(), item.row.to,
                               progress_line(item.migration, 160));
    }
    return;
  }
  auto line = fmt::format("{} of {} done",
                          std::ranges::count(items, DrainItem::Phase::over, &DrainItem::phase),
                          items.size());
  for (const auto& item : items) {
    if (item.phase != DrainItem::Phase::moving) continue;
    const auto part = fmt::format("  {}: {}", item.moves(), progress_line(item.migration, 40));
    if (line.size() + part.size() > line_.width()) break;
    line += part;
  }
  line_.draw(line);
}

Exit DrainView::end(const Names& names, const std::list<DrainItem>& items,
                    const std::string& stopped) {
  const auto all = items.size();
  const auto gone =
      static_cast<std::size_t>(std::ranges::count_if(items, [&](const DrainItem& item) {
        return dry_run_ ? item.row.result == "fits" : item.row.is_gone();
      }));
  if (context_.wants_json()) {
    json::array jobs;
    for (const auto& item : items) jobs.push_back(to_json(item.row));
    std::cout << json::serialize(json::object{
                     {"host", names.agent},
                     {"dry_run", dry_run_},
                     {"result", gone == all ? "all"
                                : gone == 0 ? "none"
                                            : "some"},
                     {"stopped_by", stopped.empty() ? json::value(nullptr) : json::value(stopped)},
                     {"moved", gone},
                     {"total", all},
                     {"jobs", jobs}})
              << "\n";
  } else if (dry_run_) {
    std::cout << fmt::format("{} of {} jobs would move; nothing was changed\n", gone, all);
  } else if (!context_.quiet || gone < all) {
    std::cout << fmt::format(
        "{} of {} jobs are gone; {} stays cordoned until `cardswap uncordon {}`\n", gone, all,
        names.host, names.asked);
    if (gone < all) std::cout << "run the drain again to go on with the others\n";
  }
  if (gone == all) return Exit::done;
  return stopped.empty() ? Exit::failed : Exit::aborted;
}

}  // namespace cardswap::cli
