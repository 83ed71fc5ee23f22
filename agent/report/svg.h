#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cardswap::report {

/// `text` for an element or an attribute of a page: markup is escaped, line feeds and tabs become
/// spaces, other control characters are left out, and bytes that are no UTF-8 become question
/// marks.
[[nodiscard]] std::string escaped(std::string_view text);

/// A drawing, made element by element. `style` is a class of the style sheet and must be a constant
/// of the program; every other text is escaped. Coordinates have their origin at the top left.
class Svg {
 public:
  using Points = std::vector<std::pair<double, double>>;

  /// `label` describes the drawing for readers who cannot see it.
  Svg(double width, double height, std::string_view label);

  /// Draws a rectangle. `title` is shown under the pointer; empty: none.
  void rect(std::string_view style, double x, double y, double width, double height,
            std::string_view title = "", double radius = 0);
  void line(std::string_view style, double x1, double y1, double x2, double y2);
  /// Draws text; `anchor` is start, middle or end.
  void text(std::string_view style, double x, double y, std::string_view anchor,
            std::string_view content);
  /// Draws a line through the points; nothing if there are fewer than two.
  void path(std::string_view style, const Points& points);
  /// Fills the area between the points and y = `base`; nothing if there are fewer than two.
  void area(std::string_view style, const Points& points, double base);
  void dot(std::string_view style, double x, double y, double radius, std::string_view title);
  /// Ends the drawing and returns it.
  [[nodiscard]] std::string done() &&;

 private:
  std::string out_;
};

/// The width of a text of the usual size, in units of the drawing: an estimate, rather too wide.
[[nodiscard]] double text_width(std::string_view text);

}  // namespace cardswap::report
