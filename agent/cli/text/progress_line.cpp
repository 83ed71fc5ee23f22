#include "agent/cli/text/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <utility>

namespace cardswap::cli {
namespace {

constexpr std::string_view kClear = "\r\033[K";
constexpr std::size_t kSpare = 3;  // room for the terminal's own "^C"
constexpr std::size_t kUnknownWidth = 80;
constexpr std::size_t kWidthMin = 20;  // what is narrower does not know its size

}  // namespace

ProgressLine::ProgressLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

std::size_t ProgressLine::width() const {
  winsize size{};
  ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  return (size.ws_col > kWidthMin ? size.ws_col : kUnknownWidth) - kSpare;
}

void ProgressLine::draw(std::string_view text) {
  std::cerr << kClear << text << std::flush;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (std::exchange(drawn_, false)) std::cerr << kClear << std::flush;
}

}  // namespace cardswap::cli
