#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>

namespace cardswap::bench {

/// What one move, or another thing measured for a point of the table, was. Of a step's length
/// (`way` "step") only step_ms counts, of a file copy stall and lost.
struct CostRow {
  std::string gradients;  ///< "fp32", "bf16"
  double r = 0;           ///< steps that the state takes the link
  std::string way;        ///< a strategy, "file-copy" or "step"
  bool limited = false;   ///< with --max-stall
  int repeat = 0;
  // Measured:
  bool moved = false;
  std::string strategy;  ///< in use
  double step_ms = 0;
  double stall = 0;  ///< steps
  double lost = 0;
  double predicted_stall = 0;  ///< steps, as earlier moves corrected them
  double predicted_lost = 0;
  double raw_stall = 0;  ///< steps, as the planner had them
  double raw_lost = 0;
  double said_stall = 0;  ///< steps, by the migration itself; 0: nothing
  double said_lost = 0;
  double usual_lost = 0;  ///< steps, of as many steps before it, by the same count as `lost`
};

/// The rows that were measured, in a file if one is named: a JSON object a line, written as soon
/// as it is known. So a run that was broken off goes on where it was, and pictures have something
/// to be drawn from.
class CostTable {
 public:
  /// Reads what is there; empty: there is no file. A line that is none, as the last one of a run
  /// that was killed may be, is told and left out.
  explicit CostTable(std::filesystem::path file);

  /// The row of those words and numbers, or what `measure` finds for them, which is added.
  CostRow row(CostRow wanted, const std::function<void(CostRow&)>& measure);
  [[nodiscard]] bool has(const CostRow& wanted) const { return rows_.contains(key_of(wanted)); }

 private:
  using Key = std::tuple<std::string, double, std::string, bool, int>;
  [[nodiscard]] static Key key_of(const CostRow& row) {
    return {row.gradients, row.r, row.way, row.limited, row.repeat};
  }

  std::ofstream out_;
  std::map<Key, CostRow> rows_;
};

}  // namespace cardswap::bench
