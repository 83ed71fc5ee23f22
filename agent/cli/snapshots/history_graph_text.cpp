#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdDigits = 8;

/// One line of a drawing that grows as far as it is drawn to.
class DrawnLine {
 public:
  void put(std::size_t at, char c) {
    if (at >= text_.size()) text_.resize(at + 1, ' ');
    text_[at] = c;
  }
  /// Fills the blanks from `from` up to `to`.
  void fill(std::size_t from, std::size_t to, char c) {
    for (auto at = from; at < to; ++at) {
      if (at >= text_.size() || text_[at] == ' ') put(at, c);
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::size_t place_of(std::size_t column) { return 2 * column; }

/// The lines above a snapshot in which others come to its column, the farthest first.
std::vector<std::string> joins_of(const GraphRow& row) {
  std::vector<std::size_t> standing;
  for (const auto& line : row.passing) standing.push_back(line.column);
  for (const auto& line : row.from_above) standing.push_back(line.column);
  std::vector<std::string> drawn;
  for (auto line = row.from_above.rbegin(); line != row.from_above.rend(); ++line) {
    if (line->column == row.column) continue;
    std::erase(standing, line->column);
    DrawnLine one;
    for (const auto column : standing) one.put(place_of(column), '|');
    one.put(place_of(line->column) - 1, '/');
    one.fill(place_of(row.column) + 1, place_of(line->column) - 1, '_');
    drawn.push_back(one.text());
  }
  return drawn;
}

std::string node_line(const GraphRow& row, bool is_readable) {
  DrawnLine one;
  for (const auto& line : row.passing) one.put(place_of(line.column), '|');
  one.put(place_of(row.column), is_readable ? '*' : 'x');
  for (const auto column : row.to_below) {
    if (column == row.column) continue;
    const auto here = place_of(row.column);
    const auto there = place_of(column);
    one.put(there, '.');
    one.fill(std::min(here, there) + 1, std::max(here, there), '-');
  }
  return one.text();
}

/// Cells that are empty at the end of a row were padded.
std::string without_trailing_blanks(const std::string& lines) {
  std::string result;
  for (const char c : lines) {
    if (c == '\n') result.resize(result.find_last_not_of(' ') + 1);
    result += c;
  }
  return result;
}

std::string tags_in_brackets(const json::object& snapshot) {
  std::string all;
  for (const auto& tag : array_at(snapshot, "tags")) {
    if (tag.is_string())
      all += (all.empty() ? "" : " ") + fmt::format("[{}]", printable(tag.as_string()));
  }
  return all;
}

}  // namespace

std::string history_graph(const json::object& history) {
  const auto& snapshots = array_at(history, "snapshots");
  const auto rows = graph_of(history);
  std::vector<std::vector<std::string>> cells;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& one = snapshots[i].as_object();
    for (auto& drawn : joins_of(rows[i])) cells.push_back({std::move(drawn)});
    cells.push_back({node_line(rows[i], !is_damaged(one)), text(one, "snapshot"),
                     "step " + text(one, "step"), text(one, "manifest").substr(0, kIdDigits),
                     metrics_text(one), "(" + text(one, "branch") + ")", tags_in_brackets(one),
                     remark_on(one, rows[i])});
  }
  auto shown = cells.empty() ? fmt::format("no snapshot of job {}\n", text(history, "job"))
                             : without_trailing_blanks(table(cells));
  for (const auto& item : array_at(history, "damaged")) {
    const auto& one = item.as_object();
    shown += fmt::format("damaged: {}: {}\n", text(one, "object"), text(one, "what"));
  }
  return shown;
}

}  // namespace cardswap::cli
