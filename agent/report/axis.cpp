#include "agent/report/axis.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace cardswap::report {
namespace {

struct Unit {
  double size;
  const char* name;
};

/// The distance of marks: 1, 2 or 5 times a power of ten.
double round_step(double range, int ticks_most) {
  const auto raw = range / std::max(1, ticks_most);
  const auto power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const auto times : {1.0, 2.0, 5.0}) {
    if (raw <= times * power * (1 + 1e-9)) return times * power;
  }
  return 10 * power;
}

double positive_or(double value, double otherwise) {
  return std::isfinite(value) && value > 0 ? value : otherwise;
}

Axis marked(double from, double to, double step, const Unit& unit) {
  Axis axis;
  axis.from = from * unit.size;
  axis.to = to * unit.size;
  axis.unit = unit.name;
  for (int i = 0; from + i * step <= to * (1 + 1e-9); ++i) {
    const auto value = from + i * step;
    axis.ticks.push_back({value * unit.size, fmt::format("{:.10g}", value)});
  }
  return axis;
}

Unit time_unit(double max_ms) {
  if (max_ms < 2e3) return {1, "ms"};
  if (max_ms < 180e3) return {1e3, "s"};
  if (max_ms < 180 * 60e3) return {60e3, "min"};
  return {3600e3, "h"};
}

}  // namespace

Axis time_axis(double max_ms, int ticks_most) {
  const auto max = positive_or(max_ms, 1);
  const auto unit = time_unit(max);
  return marked(0, max / unit.size, round_step(max / unit.size, ticks_most), unit);
}

Axis duration_axis(double max_ms, int ticks_most) {
  const auto unit = time_unit(positive_or(max_ms, 1));
  const auto max = positive_or(max_ms, 1) / unit.size;
  const auto step = round_step(max, ticks_most);
  return marked(0, std::ceil(max / step - 1e-9) * step, step, unit);
}

Axis bytes_axis(double max, int ticks_most, const std::string& per) {
  constexpr std::array kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  Unit unit{1, kNames[0]};
  const auto most = positive_or(max, 1);
  for (std::size_t i = 1; i < kNames.size() && most >= 1024 * unit.size; ++i) {
    unit = {1024 * unit.size, kNames[i]};
  }
  const auto top = most / unit.size;
  const auto step = round_step(top, ticks_most);
  auto axis = marked(0, std::ceil(top / step - 1e-9) * step, step, unit);
  axis.unit += per;
  return axis;
}

Axis count_axis(double min, double max, int ticks_most, const std::string& unit) {
  const auto low = std::isfinite(min) ? std::max(0.0, min) : 0;
  const auto high = std::max(low + 1, std::isfinite(max) ? max : 0);
  const auto step = std::max(1.0, round_step(high - low, ticks_most));
  auto axis =
      marked(std::floor(low / step) * step, std::ceil(high / step - 1e-9) * step, step, {1, ""});
  axis.unit = unit;
  return axis;
}

}  // namespace cardswap::report
