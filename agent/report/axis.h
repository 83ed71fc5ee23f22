#pragma once

#include <string>
#include <vector>

namespace cardswap::report {

/// A mark of an axis.
struct Tick {
  double at = 0;  ///< in the axis's base unit
  std::string label;
};

/// A range with round marks in a unit that suits it. Never empty: `to` is above `from`.
struct Axis {
  double from = 0;
  double to = 1;
  std::string unit;  ///< of the labels
  std::vector<Tick> ticks;
};

/// Milliseconds from 0 to just `max_ms`, in ms, s, min or h; marks within it.
[[nodiscard]] Axis time_axis(double max_ms, int ticks_most);
/// Bytes from 0 to a mark at or above `max`, in B to TiB; `per` is appended to the unit.
[[nodiscard]] Axis bytes_axis(double max, int ticks_most, const std::string& per = "");
/// Whole numbers, from a mark at or below `min` to one at or above `max`.
[[nodiscard]] Axis count_axis(double min, double max, int ticks_most, const std::string& unit);
/// Milliseconds from 0 to a mark at or above `max_ms`.
[[nodiscard]] Axis duration_axis(double max_ms, int ticks_most);

}  // namespace cardswap::report
