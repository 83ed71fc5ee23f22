#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

/// The snapshots of a job as a graph: who came after whom. Made from the answer of history_of(),
/// the newest snapshot first. Pure.
namespace cardswap::cli {

/// A line between two snapshots of a graph, where it passes a row.
struct GraphLine {
  std::size_t column = 0;
  std::size_t child = 0;  ///< index of the snapshot at its upper end
};

/// The row of one snapshot in a graph. Columns count from 0. A line runs straight down in its
/// column, and bends only in the row of the parent, or in that of the child where that has several
/// parents.
struct GraphRow {
  std::size_t column = 0;             ///< where the snapshot is
  std::vector<GraphLine> passing;     ///< lines of others, by column
  std::vector<GraphLine> from_above;  ///< lines that end here, by column
  std::vector<std::size_t> to_below;  ///< columns of the lines that begin here
  bool lacks_parent = false;          ///< its first parent is not in the list
  bool goes_back = false;             ///< its first parent has a higher step
};

/// The most columns of a graph. Snapshots that would need more stand in the last one without lines.
inline constexpr std::size_t kGraphColumnsMax = 40;

/// One row for each snapshot, in their order. A parent counts only if it is older.
[[nodiscard]] std::vector<GraphRow> graph_of(const boost::json::object& history);

/// Returns the first metrics of a snapshot, such as "loss 2.31, lr 0.001"; empty: it has none.
[[nodiscard]] std::string metrics_text(const boost::json::object& snapshot);
/// Returns what is to be told of a snapshot besides its figures, such as "DAMAGED" or "its parent
/// is not here"; empty: nothing.
[[nodiscard]] std::string remark_on(const boost::json::object& snapshot, const GraphRow& row);
/// Whether the manifest of the snapshot could not be read.
[[nodiscard]] bool is_damaged(const boost::json::object& snapshot);

/// Shows the graph as text, as `git log --graph` does, and below it what is damaged.
[[nodiscard]] std::string history_graph(const boost::json::object& history);
/// Returns the graph as a file for Graphviz.
[[nodiscard]] std::string history_dot(const boost::json::object& history);
/// Returns the graph as a page that needs nothing else: no script, nothing to load; light or dark
/// as the reader's system is.
[[nodiscard]] std::string history_page(const boost::json::object& history);

}  // namespace cardswap::cli
