#include "agent/cli/snapshots/metric_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "agent/base/json_fields.h"
#include "agent/base/printable_fields.h"
#include "agent/cli/text/fields.h"
#include "agent/report/axis.h"
#include "agent/report/svg.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr double kWidth = 1100;
constexpr double kHeight = 240;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 12;
constexpr double kBottom = 34;

/// A snapshot's value of the metric.
struct MetricPoint {
  double step = 0;
  double value = 0;
  const json::object* snapshot = nullptr;
};

/// The points of a metric, the oldest first; numbers that are not finite have none.
std::vector<MetricPoint> points_of(const json::array& snapshots, std::string_view metric) {
  std::vector<MetricPoint> points;
  for (auto item = snapshots.rbegin(); item != snapshots.rend(); ++item) {
    const auto& one = item->as_object();
    const auto value = known_amount_at(object_at(one, "metrics"), metric);
    if (value && std::isfinite(*value)) points.push_back({amount_at(one, "step"), *value, &one});
  }
  return points;
}

/// The name of the metric that is drawn; empty: none.
std::string metric_drawn(const json::array& snapshots) {
  std::map<std::string, int> counts;
  for (const auto& item : snapshots) {
    for (const auto& metric : object_at(item.as_object(), "metrics")) {
      if (metric.value().is_number()) ++counts[std::string(metric.key())];
    }
  }
  if (counts["loss"] >= 2) return "loss";
  for (const auto& [name, count] : counts) {
    if (count >= 2) return name;
  }
  return "";
}

/// Where a metric's values and steps are in the drawing.
class MetricScale {
 public:
  explicit MetricScale(const std::vector<MetricPoint>& points)
      : steps_(report::count_axis(std::ranges::min(points, {}, &MetricPoint::step).step,
                                  std::ranges::max(points, {}, &MetricPoint::step).step, 8,
                                  "step")),
        low_(std::ranges::min(points, {}, &MetricPoint::value).value),
        high_(std::ranges::max(points, {}, &MetricPoint::value).value) {}

  [[nodiscard]] const report::Axis& steps() const { return steps_; }
  [[nodiscard]] double low() const { return low_; }
  [[nodiscard]] double high() const { return high_; }
  [[nodiscard]] double x(double step) const {
    return kLeft + (step - steps_.from) / (steps_.to - steps_.from) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    const auto share = high_ > low_ ? (value - low_) / (high_ - low_) : 0.5;
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }

 private:
  report::Axis steps_;
  double low_;
  double high_;
};

void draw_axes(report::Svg& svg, const MetricScale& scale) {
  for (const auto& tick : scale.steps().ticks) {
    svg.line("grid", scale.x(tick.at), kTop, scale.x(tick.at), kHeight - kBottom);
    svg.text("", scale.x(tick.at), kHeight - kBottom + 18, "middle", tick.label);
  }
  for (const auto value : {scale.low(), (scale.low() + scale.high()) / 2, scale.high()}) {
    svg.line("grid", kLeft, scale.y(value), kWidth - kRight, scale.y(value));
    svg.text("", kLeft - 10, scale.y(value) + 4, "end", fmt::format("{:.4g}", value));
    if (scale.low() == scale.high()) break;
  }
}

}  // namespace

std::string metric_chart(const json::object& history,
                         const std::function<std::size_t(const json::object&)>& color_of) {
  const auto& snapshots = array_at(history, "snapshots");
  const auto metric = metric_drawn(snapshots);
  if (metric.empty()) return {};
  const auto points = points_of(snapshots, metric);
  if (points.size() < 2) return {};
  const MetricScale scale(points);
  report::Svg svg(kWidth, kHeight, metric + " over steps");
  draw_axes(svg, scale);
  std::map<std::string, report::Svg::Points> curves;
  std::map<std::string, std::size_t> colors;
  for (const auto& point : points) {
    const auto branch = text(*point.snapshot, "branch");
    curves[branch].emplace_back(scale.x(point.step), scale.y(point.value));
    colors[branch] = color_of(*point.snapshot);
  }
  for (const auto& [branch, curve] : curves) {
    svg.path(fmt::format("curve b{}", colors[branch]), curve);
  }
  for (const auto& point : points) {
    svg.dot(fmt::format("f{}", color_of(*point.snapshot)), scale.x(point.step),
            scale.y(point.value), 4,
            fmt::format("number {}, step {:.0f}, {} {:.6g}", text(*point.snapshot, "snapshot"),
                        point.step, metric, point.value));
  }
  return fmt::format(
      "<section class=\"card\"><h2>{} over steps</h2>\n<div class=\"wide\">\n{}</div></section>\n",
      report::escaped(metric), std::move(svg).done());
}

}  // namespace cardswap::cli
