#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <cstddef>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap::cli {

/// Takes the whole terminal for a live view; the destructor restores it. There is one at a time,
/// and only if is_possible(). Make it before any other thread.
///
/// SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP are blocked as long as it lives, and wait()
/// handles them.
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
  /// The terminal's size now; 80 x 24 if it is not known.
  [[nodiscard]] static Size size();
  /// Shows `lines` in place of what is shown. They are separated by line feeds, fit size(), and end
  /// without one.
  void draw(const std::string& lines);

  /// Why wait() returned: `due` was reached, the size changed or the process continued after a
  /// stop, or the user or a signal ends the view.
  enum class Event { due, redraw, quit };
  /// Waits until `due` at most. q, Ctrl-D, the end of input and SIGINT, SIGTERM or SIGHUP quit;
  /// SIGTSTP stops this process with the terminal restored.
  [[nodiscard]] Event wait(std::chrono::steady_clock::time_point due);

 private:
  void enter();
  void leave();

  Descriptor signals_;
  bool keys_ = false;  ///< standard input is a terminal, and keys are read from it
  sigset_t old_mask_{};
  termios old_mode_{};
};

}  // namespace cardswap::cli
