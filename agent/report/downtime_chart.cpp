#include <fmt/format.h>

#include <algorithm>

#include "agent/base/units.h"
#include "agent/report/axis.h"
#include "agent/report/charts.h"
#include "agent/report/measures.h"
#include "agent/report/svg.h"

namespace cardswap::report {
namespace {

constexpr double kLongest = 940;  ///< and room for the values at the bars' ends
constexpr double kTop = 26;
constexpr double kRow = 40;
constexpr double kBottom = kTop + 2 * kRow;

}  // namespace

std::string downtime_chart(const Report& report) {
  const auto& d = report.downtime;
  if (!d.predicted_ms && !d.measured_ms) return {};
  struct Interval {
    std::string name;
    double ms;
    const char* style;
  };
  std::vector<Interval> parts;
  if (d.measured_ms) {
    parts = {{"hold", d.log_wait_ms, "p-hold"},
             {"scan", d.scan_ms, "p-scan"},
             {"send", d.send_ms, "p-send"},
             {"verify", d.verify_ms, "p-verify"}};
    for (const auto& [name, ms] : d.process) parts.push_back({name, ms, "p-process"});
    parts.push_back({"commit and grant", d.grant_ms, "p-grant"});
  }
  const auto measured = d.measured_ms ? *d.measured_ms + d.log_wait_ms : 0;
  const auto longest = std::max(measured, d.predicted_ms.value_or(0));
  const bool shows_limit = d.limit_ms > 0 && d.limit_ms <= 2 * longest;
  const auto axis = duration_axis(std::max(longest, shows_limit ? d.limit_ms : 0), 8);
  const auto x = [&](double ms) { return kLeft + kLongest * ms / axis.to; };
  Svg svg(kWidth, kBottom + kAxis, "Predicted against measured downtime");
  for (const auto& tick : axis.ticks) {
    svg.line("grid", x(tick.at), kTop - 6, x(tick.at), kBottom + 4);
    svg.text("tick", x(tick.at), kBottom + 18, "middle", tick.label);
  }
  svg.text("axis", kLeft + kLongest / 2, kBottom + 37, "middle",
           fmt::format("time ({})", axis.unit));
  const auto row = [&](int index, const char* name, std::optional<double> value) {
    const auto middle = kTop + (index + 0.5) * kRow;
    svg.text("lane", kLeft - 12, middle + 4, "end", name);
    svg.text("value", value ? x(*value) + 8 : kLeft + 4, middle + 4, "start",
             value ? format_ms(*value) : "not known");
  };
  const auto bar_top = [](int index) { return kTop + index * kRow + (kRow - kBar) / 2; };
  if (d.predicted_ms) {
    svg.rect("p-predicted", kLeft, bar_top(0), std::max(2.0, x(*d.predicted_ms) - kLeft), kBar,
             fmt::format("predicted {}", format_ms(*d.predicted_ms)), 3);
  }
  row(0, "Predicted", d.predicted_ms);
  double from = 0;
  for (const auto& part : parts) {
    if (part.ms <= 0) continue;
    svg.rect(part.style, x(from), bar_top(1), std::max(1.0, x(from + part.ms) - x(from) - 1), kBar,
             fmt::format("{} {}", part.name, format_ms(part.ms)));
    from += part.ms;
  }
  row(1, "Measured", d.measured_ms ? std::optional(measured) : std::nullopt);
  if (shows_limit) {
    svg.line("limit", x(d.limit_ms), kTop - 6, x(d.limit_ms), kBottom);
    svg.text("flag gave-up", x(d.limit_ms), kTop - 12, "middle",
             fmt::format("limit {}", format_ms(d.limit_ms)));
  }
  return std::move(svg).done();
}

}  // namespace cardswap::report
