#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace cardswap {

/// Calls `when_over` once `limit` has passed, and never after this object's destruction. A plain
/// timer does not guarantee that: its handler may already be queued, without an error, when the
/// timer is destroyed or cancelled. `when_over` may destroy this object. One thread, the
/// executor's.
class TimeLimit {
 public:
  TimeLimit(const boost::asio::any_io_executor& executor, std::chrono::steady_clock::duration limit,
            std::function<void()> when_over)
      : state_(std::make_shared<State>(State{std::move(when_over), false})),
        timer_(executor, limit) {
    timer_.async_wait([state = state_](const boost::system::error_code& cancelled) {
      if (cancelled || !state->when_over) return;
      state->over = true;
      const auto act = std::exchange(state->when_over, nullptr);  // it may end the limit
      act();
    });
  }
  ~TimeLimit() { state_->when_over = nullptr; }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  [[nodiscard]] bool is_over() const { return state_->over; }

 private:
  /// The part that the timer's handler shares.
  struct State {
    std::function<void()> when_over;
    bool over;
  };
  std::shared_ptr<State> state_;  // shared with the timer's handler, which may outlive this
  boost::asio::steady_timer timer_;
};

}  // namespace cardswap
