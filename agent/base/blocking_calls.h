#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "agent/base/task_group.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Threads for calls that block, which the agent's own must not. Its end waits for those under way.
class BlockingCalls {
 public:
  /// `not_back` is thrown for a call that does not return in time.
  BlockingCalls(asio::io_context& context, Error not_back)
      : context_(context), not_back_(std::move(not_back)) {}
  ~BlockingCalls() { pool_.join(); }
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  /// What `call` returns or throws. It owns what it uses: after `limit`, and after a cancellation,
  /// it goes on alone.
  template <class Result>
  asio::awaitable<Result> run(std::function<Result()> call, std::chrono::milliseconds limit) {
    auto task = std::make_shared<std::packaged_task<Result()>>(std::move(call));
    auto done = std::make_shared<Done>(context_);
    auto result = task->get_future();
    asio::post(pool_, [task = std::move(task), done, &context = context_] {
      (*task)();
      asio::post(context, [done] {
        done->is = true;
        done->changed.notify();
      });
    });
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!done->is) {
      if (std::chrono::steady_clock::now() >= until) throw Error(not_back_);
      co_await done->changed.wait_until(until);
    }
    co_return result.get();
  }

 private:
  static constexpr std::size_t kThreads = 4;  // one hung call must not hold up the next

  /// Whether a call is done, and who waits for that.
  struct Done {
    explicit Done(asio::io_context& context) : changed(context) {}
    bool is = false;
    Signal changed;
  };

  asio::io_context& context_;
  const Error not_back_;
  asio::thread_pool pool_{kThreads};
};

}  // namespace cardswap
