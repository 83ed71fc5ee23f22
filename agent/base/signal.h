#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <set>

namespace cardswap {

namespace asio = boost::asio;

/// Wakes coroutines that wait for a change, each on its own executor. It must outlive the waits.
/// One thread.
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// Wakes all waiters. They go on after the caller has returned to the event loop.
  void notify() {
    for (auto* timer : waiting_) timer->cancel();
  }
  [[nodiscard]] bool has_waiters() const { return !waiting_.empty(); }
  /// Returns at the next notify() or at the deadline, whichever comes first, without saying which.
  /// Throws when the coroutine is cancelled.
  asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point deadline) {
    asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
    const Entered entered(waiting_, timer);
    boost::system::error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }

 private:
  /// Registers a waiter's timer with notify() while it lives.
  class Entered {
   public:
    Entered(std::set<asio::steady_timer*>& all, asio::steady_timer& timer)
        : all_(all), timer_(timer) {
      all_.insert(&timer_);
    }
    ~Entered() { all_.erase(&timer_); }
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    std::set<asio::steady_timer*>& all_;
    asio::steady_timer& timer_;
  };

  std::set<asio::steady_timer*> waiting_;  // each lives in its waiter's frame
};

}  // namespace cardswap
