#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>

#include "agent/base/json_fields.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdShownInDot = 8;
/// Fills of the branches, in turn: light, under black letters.
constexpr std::array kFills{"#cfe2f7", "#cdeed9", "#fbd9cc", "#e2d8f8", "#cbeeea", "#fbe8c2"};

/// A text between quotes of Graphviz, where a backslash could mean a line or another text.
std::string dot_text(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string label_of(const json::object& one, const GraphRow& row) {
  auto label = dot_text(fmt::format("{}  step {}", text(one, "snapshot"), text(one, "step")));
  const auto add = [&](const std::string& line) {
    if (!line.empty()) label += "\\n" + dot_text(line);
  };
  add(text(one, "manifest").substr(0, kIdShownInDot) + "  " + text(one, "branch"));
  add(metrics_text(one));
  for (const auto& tag : array_at(one, "tags")) {
    if (tag.is_string()) add("[" + std::string(tag.as_string()) + "]");
  }
  add(remark_on(one, row));
  return label;
}

}  // namespace

std::string history_dot(const json::object& history) {
  const auto& snapshots = array_at(history, "snapshots");
  const auto rows = graph_of(history);
  std::string result = fmt::format(
      "digraph snapshots {{\n  label=\"snapshots of job {}\";\n  rankdir=BT;\n"
      "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];\n",
      dot_text(text(history, "job")));
  std::map<std::string, std::size_t> branches;
  std::string edges;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& one = snapshots[i].as_object();
    const auto branch = branches.emplace(text(one, "branch"), branches.size()).first->second;
    result += fmt::format("  s{} [label=\"{}\", tooltip=\"{}\", fillcolor=\"{}\"{}];\n", i,
                          label_of(one, rows[i]), dot_text(text(one, "manifest")),
                          kFills.at(branch % kFills.size()),
                          is_damaged(one) ? ", color=\"#c0392b\", penwidth=2" : "");
    for (const auto& line : rows[i].from_above)
      edges += fmt::format("  s{} -> s{};\n", line.child, i);
  }
  return result + edges + "}\n";
}

}  // namespace cardswap::cli
