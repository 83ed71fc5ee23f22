#pragma once

#include <string>
#include <vector>

namespace cardswap::report {

/// A mark of an axis.
struct Tick {
  double at = 0;  ///< in ms, bytes or a number, as the axis
  std::string label;
};

/// The range that an axis shows, with marks at round numbers of a suitable unit. `to` is always
/// above `from`.
struct Axis {
  double from = 0;
  double to = 1;
  std::string unit;  ///< of the labels; `from`, `to` and Tick::at are in ms, bytes or a number
  std::vector<Tick> ticks;
};

/// Makes an axis from 0 to exactly `max_ms` milliseconds, labelled in ms, s, min or h, with at most
/// `ticks_most` marks beside 0. A `max_ms` that is not a positive number counts as 1, also in the
/// functions below.
[[nodiscard]] Axis time_axis(double max_ms, int ticks_most);
/// Makes an axis from 0 to a mark at or above `max` bytes, labelled in B to TiB; `per` is appended
/// to the unit.
[[nodiscard]] Axis bytes_axis(double max, int ticks_most, const std::string& per = "");
/// Makes an axis of whole numbers, from a mark at or below `min` (at least 0) to one at or above
/// `max`.
[[nodiscard]] Axis count_axis(double min, double max, int ticks_most, const std::string& unit);
/// Makes an axis from 0 to a mark at or above `max_ms` milliseconds, labelled in ms, s, min or h.
[[nodiscard]] Axis duration_axis(double max_ms, int ticks_most);

}  // namespace cardswap::report
