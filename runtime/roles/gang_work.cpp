#include "runtime/roles/gang_work.h"

#include <limits>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {

void GangWork::set(std::unique_ptr<Communicators> communicators) {
  const MutexLock lock(mutex_);
  if (communicators_) throw Error(Code::conflict, "this program has told of its ranks already");
  communicators_ = std::move(communicators);
}

Communicators& GangWork::communicators() {
  const MutexLock lock(mutex_);
  if (communicators_) return *communicators_;
  throw Error(Code::refused, "this program has told of no communicators that can be exchanged",
              "a rank moves if its program is in Python, makes its groups after `import cardswap`, "
              "and has reached its first step boundary");
}

void GangWork::later(Task task) {
  (void)communicators();
  const MutexLock lock(mutex_);
  if (is_stopped_) return;
  if (!thread_.is_joinable()) thread_ = GuestThread([this] { run(); });
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void GangWork::give_up(std::uint64_t epoch) {
  auto known = given_up_.load();
  while (known < epoch && !given_up_.compare_exchange_weak(known, epoch)) {
  }
}

void GangWork::stop() {
  give_up(std::numeric_limits<std::uint64_t>::max());
  std::deque<Task> dropped;
  GuestThread ended;
  const MutexLock lock(mutex_);
  is_stopped_ = true;
  dropped.swap(tasks_);
  std::swap(ended, thread_);
  changed_.notify_all();
  // `ended` is declared before the lock, which is therefore gone when it is joined.
}

void GangWork::run() {
  MutexLock lock(mutex_);
  while (!is_stopped_) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    auto& communicators = *communicators_;
    lock.unlock();
    task(communicators);
    task = nullptr;
    lock.lock();
  }
}

}  // namespace cardswap
