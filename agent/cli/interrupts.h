#pragma once

#include <chrono>
#include <csignal>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap::cli {

/// Catches Ctrl-C and SIGTERM, as long as it lives, so that the program can ask for them between
/// calls. There is one at a time. Make it before any thread: a thread that has the signals
/// unblocked, such as a resolver's, would take them.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Gives the signals back to what they do by themselves, also one that came meanwhile.
  void give_back();

  /// Whether there is one to look at; it stays there.
  [[nodiscard]] bool is_pending() const;
  /// The signal that came since the last look, or 0.
  [[nodiscard]] int next() const;
  /// Whether there was one since the last look; waits at most `limit` for it.
  [[nodiscard]] bool has_come(std::chrono::milliseconds limit = std::chrono::milliseconds(0)) const;
  /// Asks on a terminal; another Ctrl-C means yes. Elsewhere the signal itself is the answer.
  [[nodiscard]] bool confirm(const std::string& question) const;

 private:
  Descriptor signals_;
  sigset_t old_{};
};

}  // namespace cardswap::cli
