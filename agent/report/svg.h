#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cardswap::report {

/// Text as a page's content or an attribute's value: markup is spelled out, control characters are
/// left out, what is no UTF-8 is a question mark.
[[nodiscard]] std::string escaped(std::string_view text);

/// A drawing, element by element. Coordinates are its own units; classes are the style sheet's.
/// Whatever text is given is escaped.
class Svg {
 public:
  using Points = std::vector<std::pair<double, double>>;

  Svg(double width, double height, std::string_view label);

  /// Draws a rectangle, with a title that is shown under the pointer, unless it is empty.
  void rect(std::string_view style, double x, double y, double width, double height,
            std::string_view title = "", double radius = 0);
  void line(std::string_view style, double x1, double y1, double x2, double y2);
  /// Draws text; `anchor` is start, middle or end.
  void text(std::string_view style, double x, double y, std::string_view anchor,
            std::string_view content);
  void path(std::string_view style, const Points& points);
  void area(std::string_view style, const Points& points, double base);
  void dot(std::string_view style, double x, double y, double radius, std::string_view title);
  [[nodiscard]] std::string done() &&;

 private:
  std::string out_;
};

/// About how wide a text of the drawing's size is; more rather than less.
[[nodiscard]] double text_width(std::string_view text);

}  // namespace cardswap::report
