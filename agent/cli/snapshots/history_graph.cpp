#include "agent/cli/snapshots/history_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <optional>

#include "agent/base/json_fields.h"
#include "agent/base/state_digest_json.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kMetricsShown = 3;

/// A line that waits for its parent's row.
struct WaitingLine {
  std::size_t parent = 0;
  std::size_t child = 0;
};

/// The columns of a graph, from its newest snapshot on.
class Columns {
 public:
  /// Takes the lines that end in this snapshot, by column.
  std::vector<GraphLine> take(std::size_t snapshot) {
    std::vector<GraphLine> ended;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (!lines_[i] || lines_[i]->parent != snapshot) continue;
      ended.push_back({i, lines_[i]->child});
      lines_[i].reset();
    }
    return ended;
  }
  /// The first column without a line; kGraphColumnsMax: there is none.
  [[nodiscard]] std::size_t first_free() const {
    const auto found = std::ranges::find_if(lines_, [](const auto& line) { return !line; });
    return std::min(static_cast<std::size_t>(found - lines_.begin()), kGraphColumnsMax);
  }
  [[nodiscard]] std::vector<GraphLine> all() const {
    std::vector<GraphLine> lines;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (lines_[i]) lines.push_back({i, lines_[i]->child});
    }
    return lines;
  }
  void begin(std::size_t column, const WaitingLine& line) {
    if (column >= lines_.size()) lines_.resize(column + 1);
    lines_[column] = line;
  }

 private:
  std::vector<std::optional<WaitingLine>> lines_;
};

/// The places of a snapshot's parents in the list, each once; only older ones.
std::vector<std::size_t> parents_of(const json::object& snapshot, std::size_t place,
                                    const std::map<std::string, std::size_t>& places) {
  std::vector<std::size_t> parents;
  for (const auto& id : array_at(snapshot, "parents")) {
    if (!id.is_string()) continue;
    const auto found = places.find(std::string(id.as_string()));
    if (found == places.end() || found->second <= place) continue;
    if (std::ranges::find(parents, found->second) == parents.end()) {
      parents.push_back(found->second);
    }
  }
  return parents;
}

}  // namespace

std::vector<GraphRow> graph_of(const json::object& history) {
  const auto& snapshots = array_at(history, "snapshots");
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    places[text_at(snapshots[i].as_object(), "manifest")] = i;
  }
  std::vector<GraphRow> rows;
  Columns columns;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    const auto& one = snapshots[i].as_object();
    const auto parents = parents_of(one, i, places);
    GraphRow row;
    row.from_above = columns.take(i);
    row.column = row.from_above.empty() ? columns.first_free() : row.from_above.front().column;
    row.passing = columns.all();
    for (const auto parent : parents) {
      const auto column = row.to_below.empty() ? row.column : columns.first_free();
      if (column == kGraphColumnsMax) break;
      columns.begin(column, {parent, i});
      row.to_below.push_back(column);
    }
    row.lacks_parent = parents.empty() && !array_at(one, "parents").empty();
    row.goes_back = !parents.empty() && count_at(snapshots[parents.front()].as_object(), "step") >
                                            count_at(one, "step");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string metrics_text(const json::object& snapshot) {
  const auto& metrics = object_at(snapshot, "metrics");
  std::string all;
  std::size_t shown = 0;
  for (const auto& metric : metrics) {
    if (shown++ == kMetricsShown) return all + ", ...";
    const auto& value = metric.value();
    all += all.empty() ? "" : ", ";
    all += printable(metric.key()) + " ";
    all += value.is_double()   ? fmt::format("{:.6g}", value.get_double())
           : value.is_string() ? printable(value.get_string())
                               : json::serialize(value);
  }
  return all;
}

bool is_damaged(const json::object& snapshot) { return !has_state_digest(snapshot); }

std::string remark_on(const json::object& snapshot, const GraphRow& row) {
  if (is_damaged(snapshot)) return "DAMAGED";
  if (row.lacks_parent) return "its parent is not here";
  return row.goes_back ? "went back" : "";
}

}  // namespace cardswap::cli
