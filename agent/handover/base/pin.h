#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace cardswap {

/// Base of a task: counts the coroutines that work on it (Pin). One thread.
class Pinnable {
 public:
  /// Whether a coroutine works on it: then the task's record is not forgotten.
  [[nodiscard]] bool is_pinned() const { return workers_ > 0; }

 private:
  template <class Task>
  friend class Pin;

  std::size_t workers_ = 0;
};

/// Held by a coroutine that works on a task: keeps the task in memory and counts as one worker. It
/// lives in the coroutine's frame. The shared owners of the task are its maker and the pins.
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

/// Runs `work`, a coroutine of the task, and holds the pin until `work` has ended.
template <class Task>
boost::asio::awaitable<void> run_pinned(Pin<Task>, boost::asio::awaitable<void> work) {
  co_await std::move(work);
}

}  // namespace cardswap
