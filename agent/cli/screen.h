#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <cstddef>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap::cli {

/// Owns the whole terminal for a live view; the destructor gives it back as it was. There is one at
/// a time.
///
/// SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP are blocked as long as it lives, and wait()
/// reports them.
class Screen {
 public:
  /// Whether standard output is a terminal that can be drawn on.
  [[nodiscard]] static bool is_possible();
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// The size of the terminal, in characters.
  struct Size {
    std::size_t width = 80;
    std::size_t height = 24;
  };
  [[nodiscard]] static Size size();
  /// Puts `lines`, which fit the size and end without a line feed, in place of what is shown.
  void draw(const std::string& lines);

  /// Why wait() returned.
  enum class Event { due, redraw, quit };
  /// Waits until `due`, a key or signal that ends the view (q, Ctrl-C), or a reason to draw it
  /// again.
  [[nodiscard]] Event wait(std::chrono::steady_clock::time_point due);

 private:
  void enter();
  void leave();

  Descriptor signals_;
  bool keys_ = false;  ///< standard input is a terminal
  sigset_t old_mask_{};
  termios old_mode_{};
};

}  // namespace cardswap::cli
