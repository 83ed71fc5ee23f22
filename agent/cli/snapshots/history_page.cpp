#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "agent/base/json_fields.h"
#include "agent/base/state_digest_json.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/snapshots/metric_chart.h"
#include "agent/cli/snapshots/snapshot_time.h"
#include "agent/cli/text/fields.h"
#include "agent/report/style.h"
#include "agent/report/svg.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using report::escaped;

constexpr double kColumnWidth = 18;
constexpr double kRowHeight = 40;
constexpr double kMiddle = kRowHeight / 2;

/// What the page has beyond a report's; a branch has one color, from a list of six.
constexpr auto kGraphStyle = R"css(
table.history td { padding: 0 14px 0 0; height: 40px; vertical-align: middle; white-space: nowrap; }
table.history td.graph { padding: 0 10px 0 0; border-top: 0; line-height: 0; width: 1%; }
table.history tr:hover td { background: var(--track); }
table.history tr.damaged td { color: var(--bad); }
svg.rows { display: block; width: auto; min-width: 0; height: 40px; }
svg.rows path, svg.rows line { fill: none; stroke-width: 2; }
svg.rows circle { stroke: var(--card); stroke-width: 2; }
.b0 { stroke: var(--copy); } .b1 { stroke: var(--train); } .b2 { stroke: var(--stop); }
.b3 { stroke: var(--lag); } .b4 { stroke: var(--follow); } .b5 { stroke: var(--hold); }
.f0 { fill: var(--copy); background: var(--copy); } .f1 { fill: var(--train); background: var(--train); }
.f2 { fill: var(--stop); background: var(--stop); } .f3 { fill: var(--lag); background: var(--lag); }
.f4 { fill: var(--follow); background: var(--follow); } .f5 { fill: var(--hold); background: var(--hold); }
.fbad { fill: var(--gone); }
.chip { display: inline-block; padding: 1px 9px; border-radius: 999px; font-size: 13px; font-weight: 600;
  color: var(--barink); }
.tag { display: inline-block; padding: 0 8px; margin-right: 6px; border-radius: 5px; font-size: 13px;
  border: 1px solid var(--line); background: var(--track); }
.mono { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 13px; }
.soft { color: var(--soft); }
)css";

/// The color of each branch.
class BranchColors {
 public:
  explicit BranchColors(const json::array& snapshots) {
    for (auto one = snapshots.rbegin(); one != snapshots.rend(); ++one) {
      numbers_.emplace(text_at(one->as_object(), "branch"), numbers_.size());
    }
  }
  [[nodiscard]] std::size_t of(const json::object& snapshot) const {
    const auto found = numbers_.find(text_at(snapshot, "branch"));
    return found == numbers_.end() ? 0 : found->second % kBranchColors;
  }
  [[nodiscard]] std::size_t branches() const { return numbers_.size(); }

 private:
  std::map<std::string, std::size_t> numbers_;
};

double centre_of(std::size_t column) {
  return kColumnWidth * static_cast<double>(column) + kColumnWidth / 2;
}

/// A curve between two heights of a row.
std::string bend(std::size_t color, double x1, double y1, double x2, double y2) {
  const auto half = (y1 + y2) / 2;
  return fmt::format(
      "<path class=\"b{}\" d=\"M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}\"/>", color,
      x1, y1, x1, half, x2, half, x2, y2);
}

std::string row_drawing(const json::array& snapshots, const BranchColors& colors,
                        const GraphRow& row, std::size_t index, std::size_t columns) {
  const auto color_of = [&](std::size_t snapshot) {
    return colors.of(snapshots[snapshot].as_object());
  };
  const auto x = centre_of(row.column);
  auto drawn = fmt::format(
      "<svg class=\"rows\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "aria-hidden=\"true\">",
      kColumnWidth * static_cast<double>(columns), kRowHeight);
  for (const auto& line : row.passing) {
    drawn +=
        bend(color_of(line.child), centre_of(line.column), 0, centre_of(line.column), kRowHeight);
  }
  for (const auto& line : row.from_above) {
    drawn += bend(color_of(line.child), centre_of(line.column), 0, x, kMiddle);
  }
  for (const auto column : row.to_below) {
    drawn += bend(color_of(index), x, kMiddle, centre_of(column), kRowHeight);
  }
  const auto fill = is_damaged(snapshots[index].as_object()) ? std::string("fbad")
                                                             : fmt::format("f{}", color_of(index));
  return drawn + fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6\"/></svg>",
                             fill, x, kMiddle);
}

/// What is shown under the pointer.
std::string title_of(const json::object& one) {
  std::string title = "manifest " + text(one, "manifest");
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) title += fmt::format(" | {} {}", what, value);
  };
  if (is_damaged(one)) return title + " | its manifest cannot be read";
  add("digest", state_digest_at(one));
  add("epoch", text(one, "epoch"));
  add("of", text(one, "host") + "/" + text(one, "device"));
  add("program", words_of(one, "argv"));
  return title;
}

std::string tag_marks(const json::object& one) {
  std::string marks;
  for (const auto& tag : array_at(one, "tags")) {
    if (tag.is_string())
      marks += fmt::format("<span class=\"tag\">{}</span>", escaped(tag.as_string()));
  }
  return marks;
}

std::string rows_of(const json::object& history, const BranchColors& colors) {
  const auto& snapshots = array_at(history, "snapshots");
  const auto rows = graph_of(history);
  std::size_t columns = 1;
  for (const auto& row : rows) {
    columns = std::max(columns, row.column + 1);
    for (const auto& line : row.passing) columns = std::max(columns, line.column + 1);
    for (const auto column : row.to_below) columns = std::max(columns, column + 1);
  }
  std::string result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& one = snapshots[i].as_object();
    const bool has_facts = !is_damaged(one);
    result += fmt::format(
        "<tr{} title=\"{}\"><td class=\"graph\">{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\"><b>{}</b></td><td><span class=\"chip f{}\">{}</span></td><td>{}</td>"
        "<td>{}</td><td class=\"soft\">{}</td><td class=\"number soft\">{}</td>"
        "<td class=\"mono soft\">{}</td></tr>\n",
        has_facts ? "" : " class=\"damaged\"", escaped(title_of(one)),
        row_drawing(snapshots, colors, rows[i], i, columns), escaped(text(one, "snapshot")),
        escaped(text(one, "step")), colors.of(one), escaped(text(one, "branch")), tag_marks(one),
        escaped(join_texts(metrics_text(one), remark_on(one, rows[i]))),
        has_facts ? time_text(number_at(one, "created_s")) : "",
        has_facts ? size(one, "state_bytes") : "", escaped(text(one, "manifest").substr(0, 12)));
  }
  return result;
}

std::string figure_tile(std::string_view name, std::string_view figure, std::string_view more) {
  return fmt::format(
      "<div class=\"tile\"><div class=\"name\">{}</div><div class=\"figure\">{}</div>"
      "<div class=\"more\">{}</div></div>\n",
      escaped(name), escaped(figure), escaped(more));
}

std::string tiles_of(const json::object& history, const BranchColors& colors) {
  const auto& snapshots = array_at(history, "snapshots");
  const auto damaged = array_at(history, "damaged").size();
  auto tiles = figure_tile(
      "Snapshots", std::to_string(snapshots.size()),
      fmt::format("of {} {}", colors.branches(), colors.branches() == 1 ? "branch" : "branches"));
  if (!snapshots.empty()) {
    const auto& newest = snapshots.front().as_object();
    const bool has_facts = !is_damaged(newest);
    tiles += figure_tile("Newest", "step " + text(newest, "step"),
                         has_facts ? time_text(number_at(newest, "created_s")) : "damaged");
    if (has_facts) {
      tiles += figure_tile("State", size(newest, "state_bytes"),
                           fmt::format("in {} regions", text(newest, "regions")));
      if (const auto metrics = metrics_text(newest); !metrics.empty()) {
        tiles += figure_tile("Metrics", metrics, "of the newest");
      }
    }
  }
  tiles += figure_tile("Damaged", damaged == 0 ? "none" : std::to_string(damaged),
                       "`cardswap verify` reads every byte");
  return "<section class=\"tiles\">\n" + tiles + "</section>\n";
}

std::string damages_of(const json::object& history) {
  const auto& damaged = array_at(history, "damaged");
  if (damaged.empty()) return {};
  std::string items;
  for (const auto& item : damaged) {
    const auto& one = item.as_object();
    items += fmt::format(
        "<li><span class=\"level bad\">damaged</span><span><span class=\"mono\">{}</span>: "
        "{}</span>"
        "</li>\n",
        escaped(text(one, "object")), escaped(text(one, "what")));
  }
  return "<section class=\"card\"><h2>Damaged</h2>\n<ul class=\"findings\">\n" + items +
         "</ul></section>\n";
}

}  // namespace

std::string history_page(const json::object& history) {
  const auto& snapshots = array_at(history, "snapshots");
  const BranchColors colors(snapshots);
  const auto job = escaped(text(history, "job"));
  const auto chart = metric_chart(history, [&](const json::object& one) { return colors.of(one); });
  return fmt::format(
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<title>Snapshots of job {0}</title>\n<style>{1}{2}</style></head>\n<body><main>\n"
             "<header><h1>Snapshots of job {0}</h1>\n"
             "<p class=\"sub\">The newest first; a line leads to what a snapshot came after.</p>"
             "</header>\n",
             job, report::kStyle, kGraphStyle) +
         tiles_of(history, colors) +
         "<section class=\"card\"><h2>History</h2>\n<div class=\"wide\"><table class=\"history\">\n"
         "<thead><tr><th></th><th class=\"number\">Number</th><th class=\"number\">Step</th>"
         "<th>Branch</th><th>Tags</th><th>Metrics</th><th>Taken</th><th class=\"number\">State</th>"
         "<th>Manifest</th></tr></thead>\n<tbody>\n" +
         rows_of(history, colors) + "</tbody></table></div></section>\n" + chart +
         damages_of(history) +
         fmt::format("<footer>cardswap {}</footer>\n</main></body></html>\n", CARDSWAP_VERSION);
}

}  // namespace cardswap::cli
