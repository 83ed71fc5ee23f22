#pragma once

#include <chrono>
#include <csignal>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap::cli {

/// Takes SIGINT and SIGTERM as long as it lives, so that the program can look for them between
/// calls. There is one at a time. Make it before any other thread: a thread that has the signals
/// unblocked, such as a resolver's, would get them instead.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Restores the signals' usual effect; one that is pending takes effect at once. Afterwards no
  /// signal is seen here any more.
  void give_back();

  /// Whether a signal waits to be taken; does not take it.
  [[nodiscard]] bool is_pending() const;
  /// Takes the oldest signal that is pending and returns its number; 0: there is none.
  [[nodiscard]] int next() const;
  /// Waits at most `limit` for a signal and takes it; false: none came.
  [[nodiscard]] bool has_come(std::chrono::milliseconds limit = std::chrono::milliseconds(0)) const;
  /// Asks `question` on the terminal and waits without limit for the answer; Ctrl-C or SIGTERM
  /// means yes. Without a terminal it is true at once.
  [[nodiscard]] bool confirm(const std::string& question) const;

 private:
  Descriptor signals_;
  sigset_t old_{};
};

}  // namespace cardswap::cli
