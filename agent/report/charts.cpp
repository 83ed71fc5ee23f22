#include "agent/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "agent/base/units.h"
#include "agent/report/axis.h"
#include "agent/report/measures.h"
#include "agent/report/svg.h"

namespace cardswap::report {
namespace {

constexpr double kRight = 18;
constexpr double kPlot = kWidth - kLeft - kRight;
constexpr double kFlags = 30;  ///< above the lanes
constexpr double kLane = 36;
constexpr double kPanel = 92;
constexpr double kPanelTitle = 34;
constexpr double kBarMin = 2;
constexpr std::size_t kRanksMax = 32;  ///< lanes of them
constexpr int kTimeTicks = 10;
constexpr int kValueTicks = 3;

/// One figure over time.
struct Panel {
  std::string title;
  Axis axis;
  std::function<void(Svg&, const std::function<double(double)>&)> draw;
};

class TimelineChart {
 public:
  explicit TimelineChart(const Report& report)
      : report_(report),
        // A little more time than the migration took, to show that the target trains.
        axis_(time_axis(std::max(1.0, report.total_ms) * (report.has_moved() ? 1.03 : 1.0),
                        kTimeTicks)) {
    add_panels();
    add_lanes();
    bottom_ = lanes_end() + static_cast<double>(panels_.size()) * (kPanel + kPanelTitle);
  }

  std::string draw() {
    Svg svg(kWidth, bottom_ + kAxis, "What each side did, over time");
    draw_grid(svg);
    draw_flags(svg);
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
      draw_lane(svg, lane, lanes_[lane].name, lanes_[lane].states);
    }
    draw_rounds(svg);
    auto top = lanes_end();
    for (const auto& panel : panels_) {
      draw_panel(svg, panel, top);
      top += kPanel + kPanelTitle;
    }
    return std::move(svg).done();
  }

 private:
  [[nodiscard]] double x(double ms) const {
    return kLeft + kPlot * std::clamp(ms / axis_.to, 0.0, 1.0);
  }
  [[nodiscard]] std::vector<Span> target_to_the_edge() const {
    auto spans = report_.target;
    if (report_.has_moved() && !spans.empty()) {
      if (spans.back().name != "trains") {
        spans.push_back({"trains", spans.back().to_ms, spans.back().to_ms});
      }
      spans.back().to_ms = axis_.to;
    }
    return spans;
  }

  void add_lanes() {
    lanes_.push_back({"Handover", report_.states});
    if (report_.ranks.empty()) lanes_.push_back({"Source", report_.source});
    engine_ = lanes_.size();
    lanes_.push_back({"Engine", report_.phases});
    if (report_.ranks.empty()) lanes_.push_back({"Target", target_to_the_edge()});
    // Those that move come first; a thousand that stay would tell no more than some.
    const auto shown = std::min(report_.ranks.size(), kRanksMax);
    lanes_.insert(lanes_.end(), report_.ranks.begin(),
                  report_.ranks.begin() + static_cast<std::ptrdiff_t>(shown));
  }
  [[nodiscard]] double lanes_end() const {
    return kFlags + static_cast<double>(lanes_.size()) * kLane;
  }
  [[nodiscard]] static double lane_top(std::size_t lane) {
    return kFlags + static_cast<double>(lane) * kLane + (kLane - kBar) / 2;
  }

  void draw_grid(Svg& svg) const {
    for (const auto& tick : axis_.ticks) {
      svg.line("grid", x(tick.at), kFlags, x(tick.at), bottom_ + 4);
      svg.text("tick", x(tick.at), bottom_ + 18, "middle", tick.label);
    }
    svg.text("axis", kLeft + kPlot / 2, bottom_ + 37, "middle",
             fmt::format("time since the migration was planned ({})", axis_.unit));
  }

  void draw_lane(Svg& svg, std::size_t lane, const std::string& name,
                 const std::vector<Span>& spans) const {
    const auto top = lane_top(lane);
    svg.text("lane", kLeft - 12, top + kBar / 2 + 4, "end", name);
    svg.rect("track", kLeft, top, kPlot, kBar, "", 4);
    for (const auto& span : spans) {
      const auto from = x(span.from_ms);
      const auto width = x(span.to_ms) - from;
      const auto label = spelled(span.name);
      // A state without a duration is in the table only.
      if (span.ms() <= 0) continue;
      svg.rect(style_of(span.name), std::min(from, kLeft + kPlot - kBarMin), top,
               std::max(kBarMin, width - 1), kBar,
               fmt::format("{}: {} from {}", label, format_ms(span.ms()), format_ms(span.from_ms)),
               width > 8 ? 3 : 0);
      if (width > text_width(label) + 10) {
        svg.text("bar", from + width / 2, top + kBar / 2 + 4, "middle", label);
      }
    }
  }

  void draw_rounds(Svg& svg) const {
    const auto top = lane_top(engine_);
    std::uint32_t before = 0;
    double last = -10;
    for (const auto& sample : report_.samples) {
      if (sample.rounds == before) continue;
      before = sample.rounds;
      const auto at = x(static_cast<double>(sample.at_ms));
      if (at - last < 3) continue;
      last = at;
      svg.rect("round", at - 0.75, top, 1.5, kBar, fmt::format("round {}", sample.rounds));
    }
  }

  /// Marks from the lanes down to the time axis, and their names above the lanes.
  void draw_flags(Svg& svg) const {
    const auto flag = [&](double from, double to, const char* style, const std::string& text) {
      const auto width = std::max(1.5, x(to) - x(from));
      const auto half = text_width(text) / 2;
      svg.rect(style, x(from), kFlags - 6, width, bottom_ - kFlags + 6);
      svg.line(style, x(from), kFlags - 6, x(from), bottom_);
      svg.text(std::string("flag ") + style,
               std::clamp(x(from) + width / 2, kLeft + half, kWidth - 4 - half), kFlags - 13,
               "middle", text);
    };
    const auto stopped = std::ranges::find(report_.source, "stopped", &Span::name);
    const auto aborting = std::ranges::find(report_.states, "aborting", &Span::name);
    if (aborting != report_.states.end()) {
      flag(aborting->from_ms, aborting->from_ms, "gave-up",
           fmt::format("given up after {}", format_ms(aborting->from_ms)));
    } else if (stopped != report_.source.end() && report_.downtime.measured_ms) {
      flag(stopped->from_ms, stopped->from_ms + *report_.downtime.measured_ms, "pause",
           fmt::format("downtime {}", format_ms(*report_.downtime.measured_ms)));
    } else if (const auto stood = first_stand(); stood && report_.lost.stall_ms) {
      flag(*stood, *stood + *report_.lost.stall_ms, "pause",
           fmt::format("stall {}", format_ms(*report_.lost.stall_ms)));
    }
  }

  /// When the first rank stood at the step that was agreed.
  [[nodiscard]] std::optional<double> first_stand() const {
    std::optional<double> first;
    for (const auto& lane : report_.ranks) {
      const auto stood = std::ranges::find(lane.states, "frozen", &Span::name);
      if (stood != lane.states.end())
        first = std::min(first.value_or(stood->from_ms), stood->from_ms);
    }
    return first;
  }

  void draw_panel(Svg& svg, const Panel& panel, double top) const {
    const auto plot_top = top + kPanelTitle;
    const auto y = [&](double value) {
      const auto share = (value - panel.axis.from) / (panel.axis.to - panel.axis.from);
      return plot_top + kPanel * (1 - std::clamp(share, 0.0, 1.0));
    };
    svg.text("panel", kLeft, plot_top - 10, "start",
             panel.axis.unit.empty() ? panel.title
                                     : fmt::format("{} ({})", panel.title, panel.axis.unit));
    for (const auto& tick : panel.axis.ticks) {
      svg.line(tick.at == panel.axis.from ? "base" : "grid", kLeft, y(tick.at), kLeft + kPlot,
               y(tick.at));
      svg.text("tick", kLeft - 10, y(tick.at) + 4, "end", tick.label);
    }
    panel.draw(svg, y);
  }

  template <class Value>
  [[nodiscard]] double most(Value value) const {
    double result = 0;
    for (const auto& sample : report_.samples) {
      result = std::max(result, static_cast<double>(std::invoke(value, sample)));
    }
    return result;
  }
  template <class Value>
  [[nodiscard]] Svg::Points curve(Value value, const std::function<double(double)>& y) const {
    Svg::Points points;
    for (const auto& sample : report_.samples) {
      points.emplace_back(x(static_cast<double>(sample.at_ms)),
                          y(static_cast<double>(std::invoke(value, sample))));
    }
    return points;
  }
  template <class Value>
  void add_panel(std::string title, Axis axis, Value value, std::string style) {
    panels_.push_back({std::move(title), std::move(axis),
                       [this, value, style](Svg& svg, const std::function<double(double)>& y) {
                         const auto points = curve(value, y);
                         svg.area("area " + style, points, y(0));
                         svg.path("curve " + style, points);
                       }});
  }

  void add_panels() {
    if (report_.samples.empty()) return;
    add_steps();
    if (const auto sent = most(&TimelineSample::transferred); sent > 0) {
      add_panel("Sent", bytes_axis(sent, kValueTicks), &TimelineSample::transferred, "sent");
      add_rates();
    }
    if (const auto left = most(&TimelineSample::remaining); left > 0) {
      add_panel("Still to send of the base copy or round", bytes_axis(left, kValueTicks),
                &TimelineSample::remaining, "left");
    }
    if (const auto lag = most(&TimelineSample::log_lag_bytes); lag > 0) {
      add_panel("Update log held, not replayed yet", bytes_axis(lag, kValueTicks),
                &TimelineSample::log_lag_bytes, "lag");
    }
    add_expected_downtime();
    if (most(&TimelineSample::throttle_pct) > 0) {
      add_panel("Throttle", count_axis(0, 100, 2, "% of the job's time"),
                &TimelineSample::throttle_pct, "lag");
    }
  }

  void add_steps() {
    const auto last = std::max(most(&TimelineSample::step), 1.0);
    auto first = last;
    for (const auto& sample : report_.samples) {
      if (sample.step > 0) first = std::min(first, static_cast<double>(sample.step));
    }
    const auto to_come = report_.has_moved() ? 1 : 0;
    panels_.push_back(
        {"Step number", count_axis(first, last + to_come, kValueTicks, ""),
         [this](Svg& svg, const std::function<double(double)>& y) {
           const auto stop = std::ranges::find(report_.source, "stopped", &Span::name);
           const bool stays = !report_.has_moved() || stop == report_.source.end();
           Svg::Points points;
           for (const auto& sample : report_.samples) {
             const auto at = static_cast<double>(sample.at_ms);
             if (sample.step == 0 || (!stays && at > stop->from_ms)) continue;
             points.emplace_back(x(at), y(static_cast<double>(sample.step)));
           }
           svg.path("curve steps", points);
           const auto target = target_to_the_edge();
           if (stays || target.empty() || !report_.step) return;
           const auto from = target.back().from_ms;
           const auto step = static_cast<double>(*report_.step);
           if (!points.empty()) {
             svg.path("curve still", {points.back(), {x(from), y(step)}});
             svg.dot("steps", points.back().first, points.back().second, 3,
                     fmt::format("the source's last step, {}", step));
           }
           svg.path("curve steps", {{x(from), y(step)}, {x(axis_.to), y(step + 1)}});
           svg.dot("steps", x(from), y(step), 3, fmt::format("the target goes on at {}", step));
         }});
  }

  void add_rates() {
    if (report_.rates.empty() || report_.peak_rate <= 0) return;
    panels_.push_back({"Rate", bytes_axis(report_.peak_rate, kValueTicks, "/s"),
                       [this](Svg& svg, const std::function<double(double)>& y) {
                         Svg::Points points;
                         for (const auto& rate : report_.rates) {
                           points.emplace_back(x(rate.from_ms), y(rate.bytes_per_s));
                           points.emplace_back(x(rate.to_ms), y(rate.bytes_per_s));
                         }
                         svg.area("area rate", points, y(0));
                         svg.path("curve rate", points);
                       }});
  }

  void add_expected_downtime() {
    const auto expected = most(&TimelineSample::expected_downtime_ms);
    if (expected <= 0) return;
    const auto limit = report_.downtime.limit_ms;
    // A limit far above the curve would make it flat.
    const bool shows_limit = limit > 0 && limit <= 3 * expected;
    panels_.push_back(
        {shows_limit ? "Downtime if it froze then, limit dashed" : "Downtime if it froze then",
         duration_axis(std::max(expected, shows_limit ? limit : 0), kValueTicks),
         [this, limit, shows_limit](Svg& svg, const std::function<double(double)>& y) {
           Svg::Points points;
           for (const auto& sample : report_.samples) {
             if (sample.expected_downtime_ms <= 0 || sample.state > handover::SourceState::freezing)
               continue;
             points.emplace_back(x(static_cast<double>(sample.at_ms)),
                                 y(sample.expected_downtime_ms));
           }
           svg.path("curve expected", points);
           if (shows_limit) svg.line("limit", kLeft, y(limit), kLeft + kPlot, y(limit));
         }});
  }

  const Report& report_;
  Axis axis_;
  std::vector<Panel> panels_;
  std::vector<Lane> lanes_;  ///< from above
  std::size_t engine_ = 0;   ///< the place of the engine's among them
  double bottom_ = 0;
};

}  // namespace

std::string_view style_of(std::string_view name) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
  };
  if (is_one_of({"trains", "resumed", "completed", "training", "building", "built", "armed",
                 "bound", "switched", "confirmed", "closed", "granted"}))
    return "k-train";
  if (is_one_of({"syncing", "probe", "base_copy"})) return "k-copy";
  if (is_one_of({"converged", "replay", "rounds"})) return "k-follow";
  if (is_one_of({"held", "freezing"})) return "k-hold";
  if (is_one_of({"stopped", "verifying", "committed", "frozen", "verify", "ready", "verified"}))
    return "k-stop";
  if (is_one_of({"aborting", "aborted", "reclaiming", "broken", "rolled_back", "ended"}))
    return "k-bad";
  return "k-wait";
}

std::string timeline_chart(const Report& report) { return TimelineChart(report).draw(); }

}  // namespace cardswap::report
