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

/// Threads for calls that block, which the agent's own must not. Its end waits for those under way.
class BlockingCalls {
 public:
  /// What is thrown for a call that is late.
  struct Late {
    Error not_back;   ///< it was begun, and did not return in time
    Error not_begun;  ///< no thread came free in time: it is not made any more
  };
  BlockingCalls(asio::io_context& context, Late late) : context_(context), late_(std::move(late)) {}
  ~BlockingCalls() { pool_.join(); }
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  /// What `call` returns or throws. It has `limit` to come to a thread, and as long again to
  /// return. It owns what it uses: one that was begun goes on alone after that, and after a
  /// cancellation; one that was not is dropped.
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

  /// One call, of whoever takes it first: the thread that makes it, or who does not wait any more.
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
  /// Sees to it that a call that nobody waits for is not begun.
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
