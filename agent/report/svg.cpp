#include "agent/report/svg.h"

#include <fmt/format.h>

#include "agent/base/printable.h"

namespace cardswap::report {
namespace {

constexpr double kCharacter = 6.7;

std::string points_text(const Svg::Points& points) {
  std::string result;
  for (const auto& [x, y] : points) {
    result += fmt::format("{}{:.1f} {:.1f}", result.empty() ? "M" : "L", x, y);
  }
  return result;
}

std::string titled(std::string_view title) {
  return title.empty() ? std::string() : fmt::format("<title>{}</title>", escaped(title));
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : printable_lines(text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      case '\n':
      case '\t': result += ' '; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) result += c;
    }
  }
  return result;
}

Svg::Svg(double width, double height, std::string_view label)
    : out_(fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                       width, height, escaped(label))) {}

void Svg::rect(std::string_view style, double x, double y, double width, double height,
               std::string_view title, double radius) {
  out_ += fmt::format(
      "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
      "rx=\"{:.1f}\">{}</rect>\n",
      style, x, y, width, height, radius, titled(title));
}

void Svg::line(std::string_view style, double x1, double y1, double x2, double y2) {
  out_ +=
      fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                  style, x1, y1, x2, y2);
}

void Svg::text(std::string_view style, double x, double y, std::string_view anchor,
               std::string_view content) {
  out_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                      style, x, y, anchor, escaped(content));
}

void Svg::path(std::string_view style, const Points& points) {
  if (points.size() < 2) return;
  out_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", style, points_text(points));
}

void Svg::area(std::string_view style, const Points& points, double base) {
  if (points.size() < 2) return;
  out_ += fmt::format("<path class=\"{}\" d=\"{}L{:.1f} {:.1f}L{:.1f} {:.1f}Z\"/>\n", style,
                      points_text(points), points.back().first, base, points.front().first, base);
}

void Svg::dot(std::string_view style, double x, double y, double radius, std::string_view title) {
  out_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\">{}</circle>\n",
                      style, x, y, radius, titled(title));
}

std::string Svg::done() && { return std::move(out_) + "</svg>\n"; }

double text_width(std::string_view text) { return kCharacter * static_cast<double>(text.size()); }

}  // namespace cardswap::report
