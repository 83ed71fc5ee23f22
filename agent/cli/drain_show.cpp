// What a drain shows: lines as jobs end on stdout, progress on stderr, the end.

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "agent/cli/drain.h"
#include "agent/cli/text.h"

namespace cardswap::cli {

namespace json = boost::json;

void Drain::print_heading() {
  std::vector<std::string> jobs;
  std::string from = host_name_;
  for (const auto& item : items_) jobs.push_back(item.job.name);
  std::size_t to_width = 0;
  for (const auto& device : targets_.devices()) {
    to_width = std::max(to_width, device.address().size());
  }
  table_.emplace(jobs, from, to_width);
  if (context_.json() || context_.quiet || items_.empty()) return;
  std::cout << table_->heading() << std::flush;
  for (const auto& item : items_) {
    if (item.phase == Phase::over) print(item.row);
  }
}

void Drain::print(const DrainRow& row) {
  if (!table_ || context_.json() || (context_.quiet && row.gone())) return;
  clear_progress();
  std::cout << table_->line(row) << std::flush;
}

void Drain::show_progress() {
  if (context_.quiet || context_.json()) return;
  if (::isatty(STDERR_FILENO) != 1) {
    for (auto& item : items_) {
      if (item.phase != Phase::moving) continue;
      const std::string state(item.migration.at("state").as_string());
      if (state == item.seen) continue;
      item.seen = state;
      std::cerr << fmt::format("job {} to {}: {}\n", item.job.name, item.row.to,
                               progress_line(item.migration, 160));
    }
    return;
  }
  winsize size{};
  ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  const std::size_t width = size.ws_col > 20 ? size.ws_col - 3U : 77U;
  auto line = fmt::format("{} of {} done", count(Phase::over), items_.size());
  for (const auto& item : items_) {
    if (item.phase != Phase::moving) continue;
    const auto part = fmt::format("  {}: {}", item.job.name, progress_line(item.migration, 40));
    if (line.size() + part.size() > width) break;
    line += part;
  }
  std::cerr << "\r\033[K" << line << std::flush;
  drawn_ = true;
}

void Drain::clear_progress() {
  if (std::exchange(drawn_, false)) std::cerr << "\r\033[K" << std::flush;
}

Exit Drain::finish() {
  const auto all = items_.size();
  const auto gone =
      static_cast<std::size_t>(std::count_if(items_.begin(), items_.end(), [&](const Item& item) {
        return options_.dry_run ? item.row.result == "fits" : item.row.gone();
      }));
  if (context_.json()) {
    json::array jobs;
    for (const auto& item : items_) jobs.push_back(to_json(item.row));
    std::cout << json::serialize(
                     json::object{{"host", drained_.text()},
                                  {"dry_run", options_.dry_run},
                                  {"result", gone == all ? "all"
                                             : gone == 0 ? "none"
                                                         : "some"},
                                  {"stopped_by",
                                   stopped_.empty() ? json::value(nullptr) : json::value(stopped_)},
                                  {"moved", gone},
                                  {"total", all},
                                  {"jobs", jobs}})
              << "\n";
  } else if (options_.dry_run) {
    std::cout << fmt::format("{} of {} jobs would move; nothing was changed\n", gone, all);
  } else if (!context_.quiet || gone < all) {
    std::cout << fmt::format(
        "{} of {} jobs are gone; {} stays cordoned until `cardswap uncordon {}`\n", gone, all,
        host_name_, options_.host);
    if (gone < all) std::cout << "run the drain again to go on with the others\n";
  }
  if (gone == all) return Exit::done;
  return stopped_.empty() ? Exit::failed : Exit::aborted;
}

}  // namespace cardswap::cli
