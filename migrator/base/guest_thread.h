#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace cardswap {

/// A std::jthread in a program that is not ours: its signals are that program's, which may block
/// one on all of its own threads and wait for it, or have a handler that counts on running on them.
/// This thread handles none but those of its own faults, nor does a thread that it starts.
class GuestThread {
 public:
  GuestThread() = default;
  /// Begins to run `body`, which is called with a std::stop_token where it takes one.
  template <class Body>
  explicit GuestThread(Body body) {
    const BlockedSignals inherited;
    thread_ = std::jthread(std::move(body));
  }

  bool request_stop() { return thread_.request_stop(); }
  [[nodiscard]] bool is_joinable() const { return thread_.joinable(); }
  void join() { thread_.join(); }

 private:
  /// Blocks signals on the thread that has one, as long as it lives.
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
