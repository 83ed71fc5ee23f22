#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace cardswap {

/// A std::jthread in a program that is not ours. The program's signals must not reach it: a program
/// may block a signal on all its threads and wait for it, or have a handler that must run on one of
/// them. This thread, and any thread that it starts, blocks all signals except those of its faults.
class GuestThread {
 public:
  GuestThread() = default;
  /// Starts `body`, which gets a std::stop_token if it takes one. The destructor requests a stop
  /// and joins. Throws std::system_error when the host has no thread left.
  template <class Body>
  explicit GuestThread(Body body) {
    const BlockedSignals inherited;
    thread_ = std::jthread(std::move(body));
  }

  bool request_stop() { return thread_.request_stop(); }
  [[nodiscard]] bool is_joinable() const { return thread_.joinable(); }
  void join() { thread_.join(); }

 private:
  /// Blocks signals on the calling thread during its lifetime; a new thread inherits that.
  class BlockedSignals {
   public:
    BlockedSignals();
    ~BlockedSignals();
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

   private:
    sigset_t before_{};
  };

  std::jthread thread_;
};

}  // namespace cardswap
