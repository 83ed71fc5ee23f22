#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace cardswap {

/// A task on which coroutines work: it counts them. One thread.
class Pinnable {
 public:
  /// Whether a coroutine works on it: then what it is about is not forgotten.
  [[nodiscard]] bool is_pinned() const { return workers_ > 0; }

 private:
  template <class Task>
  friend class Pin;

  std::size_t workers_ = 0;
};

/// One coroutine's hold on its task: it keeps the task in memory and counts as one worker. It lives
/// in the coroutine's frame. Owners of the task: its maker, and the pins.
template <class Task>
class Pin {
 public:
  explicit Pin(std::shared_ptr<Task> task) : task_(std::move(task)) { ++count(); }
  Pin(Pin&&) noexcept = default;
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  Pin& operator=(Pin&&) = delete;
  ~Pin() {
    if (task_) --count();
  }

  Task* operator->() const { return task_.get(); }

 private:
  [[nodiscard]] std::size_t& count() const { return static_cast<Pinnable&>(*task_).workers_; }

  std::shared_ptr<Task> task_;
};

/// Runs `work`, which is the task's, and is at work on it until that has ended.
template <class Task>
boost::asio::awaitable<void> run_pinned(Pin<Task>, boost::asio::awaitable<void> work) {
  co_await std::move(work);
}

}  // namespace cardswap
