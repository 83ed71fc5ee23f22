#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "agent/base/task_group.h"
#include "migrator/base/error.h"
#include "migrator/base/mutex.h"

namespace cardswap {

/// Four threads for calls that block: the agent's own thread must not. The destructor waits for the
/// calls under way.
class BlockingCalls {
 public:
  /// The errors for calls that take too long.
  struct Late {
    Error not_back;   ///< the call was begun and did not return in time
    Error not_begun;  ///< no thread was free in time: the call is not made any more
  };
  /// `context` is where run() is awaited; it must outlive this.
  BlockingCalls(asio::io_context& context, Late late) : context_(context), late_(std::move(late)) {}
  ~BlockingCalls() { pool_.join(); }
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  /// Runs `call` on a thread; returns or throws what it returns or throws. `call` may wait `limit`
  /// for a free thread and then run for `limit`; after that an error of Late is thrown. `call` must
  /// own what it uses: after a time-out or a cancellation a call that was begun goes on alone, and
  /// one that was not begun is dropped.
  template <class Result>
  asio::awaitable<Result> run(std::function<Result()> call, std::chrono::milliseconds limit) {
    std::packaged_task<Result()> task(std::move(call));
    auto result = task.get_future();
    const auto made = std::make_shared<Call<Result>>(std::move(task));
    asio::post(pool_, [made, &context = context_] {
      auto mine = made->take();
      if (!mine.valid()) return;
      asio::post(context, [made] {
        made->begun_at = Clock::now();
        made->changed.notify();
      });
      mine();
      mine = {};  // what it owns is let go of before anybody hears that it is done
      asio::post(context, [made] {
        made->is_done = true;
        made->changed.notify();
      });
    });
    const Dropped<Result> dropped(*made);
    auto until = Clock::now() + limit;
    for (bool begun = false; !made->is_done;) {
      if (made->begun_at && !std::exchange(begun, true)) until = *made->begun_at + limit;
      if (Clock::now() >= until) {
        if (begun) throw Error(late_.not_back);
        if (made->take().valid()) throw Error(late_.not_begun);
        until = Clock::now() + limit;  // it begins at this moment
      }
      co_await made->changed.wait_until(until);
    }
    co_return result.get();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kThreads = 4;  // one hung call must not hold up the next

  /// One call. Either the thread that makes it takes it, or the waiter that has given up.
  template <class Result>
  class Call {
   public:
    explicit Call(std::packaged_task<Result()> task) : task_(std::move(task)) {}
    std::packaged_task<Result()> take() {
      const MutexLock lock(mutex_);
      return std::exchange(task_, {});
    }
    // The context's thread only.
    Signal changed;
    std::optional<Clock::time_point> begun_at;
    bool is_done = false;

   private:
    Mutex mutex_;
    std::packaged_task<Result()> task_ CARDSWAP_GUARDED_BY(mutex_);
  };
  /// Prevents, at its end, the start of a call that nobody waits for any more.
  template <class Result>
  class Dropped {
   public:
    explicit Dropped(Call<Result>& call) : call_(call) {}
    ~Dropped() { (void)call_.take(); }
    Dropped(const Dropped&) = delete;
    Dropped& operator=(const Dropped&) = delete;

   private:
    Call<Result>& call_;
  };

  asio::io_context& context_;
  const Late late_;
  asio::thread_pool pool_{kThreads};
};

}  // namespace cardswap
