#pragma once

#include <cstddef>
#include <string_view>

namespace cardswap::cli {

/// One line of a command's stderr that is drawn again and again. Used only where that is a terminal
/// (is_shown()): elsewhere a command writes lines of its own. One thread.
class ProgressLine {
 public:
  ProgressLine();
  /// Clears the line.
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  [[nodiscard]] bool is_shown() const { return is_terminal_; }
  /// How many columns a text may have: a line that wraps cannot be drawn again.
  [[nodiscard]] std::size_t width() const;
  /// Draws the line in place of what it had.
  void draw(std::string_view text);
  /// Clears the line; call it before anything else is written to the terminal.
  void clear();

 private:
  const bool is_terminal_;
  bool drawn_ = false;
};

}  // namespace cardswap::cli
