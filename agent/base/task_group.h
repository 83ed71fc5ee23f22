#pragma once

#include <spdlog/spdlog.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <string>

#include "agent/base/signal.h"
#include "migrator/base/error.h"

namespace cardswap {

namespace asio = boost::asio;

/// Owns background coroutines. Every coroutine of the agent runs in a group; the group is stopped
/// (its tasks are cancelled and awaited) before the objects that the tasks use are destroyed.
/// `context` must outlive it. One thread.
class TaskGroup {
 public:
  explicit TaskGroup(asio::io_context& context) : context_(context) {}

  /// Starts `task` and owns it until it ends. An exception that leaves it is logged under `name`.
  /// After stop() the task is dropped and not started.
  void spawn(std::string name, asio::awaitable<void> task) {
    if (stopping_) return;
    const auto entry = running_.emplace(running_.end());
    asio::co_spawn(context_, std::move(task),
                   asio::bind_cancellation_slot(
                       entry->slot(), [this, entry, name = std::move(name)](std::exception_ptr e) {
                         running_.erase(entry);
                         if (e && !stopping_) spdlog::error("{}: {}", name, error_of(e).what());
                       }));
  }
  /// Cancels every task; returns at once. The context must run until empty().
  void stop() {
    stopping_ = true;
    // A signal that is emitted outside of the loop reaches its task through the loop's queue: one
    // that ends before it would be asked when it is gone.
    asio::dispatch(context_, [this] {
      for (auto& signal : running_) signal.emit(asio::cancellation_type::terminal);
    });
  }
  [[nodiscard]] bool empty() const { return running_.empty(); }
  [[nodiscard]] bool is_stopping() const { return stopping_; }

 private:
  asio::io_context& context_;
  std::list<asio::cancellation_signal> running_;
  bool stopping_ = false;
};

/// Sleeps; throws when the coroutine is cancelled.
inline asio::awaitable<void> pause_for(std::chrono::steady_clock::duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace cardswap
