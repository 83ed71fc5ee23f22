#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <semaphore>
#include <thread>
#include <utility>

namespace cardswap::test {

/// Threads that take turns: one of them runs at a time, from its turn's begin to where it gives the
/// turn back. What happens is therefore a function of whose turn it was, and what they share needs
/// no lock.
class Turns {
 public:
  explicit Turns(std::size_t workers) {
    for (std::size_t i = 0; i < workers; ++i) {
      auto& worker = workers_.emplace_back();
      worker.thread = std::thread([this, &worker] { run(worker); });
    }
  }
  /// Every worker is idle.
  ~Turns() {
    for (auto& worker : workers_) {
      worker.is_over = true;
      worker.may_go.release();
      worker.thread.join();
    }
  }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  [[nodiscard]] std::size_t count() const { return workers_.size(); }
  [[nodiscard]] bool is_idle(std::size_t worker) const { return !workers_[worker].work; }
  /// What an idle worker does in its next turns. `work` throws nothing.
  void give(std::size_t worker, std::function<void()> work) {
    workers_[worker].work = std::move(work);
  }
  /// A turn of a worker that has work. Returns when it has given the turn back, or its work is
  /// done.
  void turn(std::size_t worker) {
    workers_[worker].may_go.release();
    came_back_.acquire();
  }
  /// Called by a worker in its turn; returns in its next one.
  void give_back(std::size_t worker) {
    came_back_.release();
    workers_[worker].may_go.acquire();
  }

 private:
  struct Worker {
    std::binary_semaphore may_go{0};
    std::function<void()> work;
    bool is_over = false;
    std::thread thread;
  };

  void run(Worker& worker) {
    while (true) {
      worker.may_go.acquire();
      if (worker.is_over) return;
      worker.work();
      worker.work = {};
      came_back_.release();
    }
  }

  std::binary_semaphore came_back_{0};
  std::deque<Worker> workers_;
};

}  // namespace cardswap::test
