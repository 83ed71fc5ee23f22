#include "migrator/store/workers.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

namespace cardswap::store {
namespace {

constexpr int kNice = 10;  // a tenth of a core that a program of nice 0 wants as well
constexpr unsigned kThreadsMax = 8;

}  // namespace

void yield_to_other_programs() noexcept {
  // On Linux a nice value is a thread's own.
  const auto self = static_cast<id_t>(::gettid());
  if (::getpriority(PRIO_PROCESS, self) < kNice) (void)::setpriority(PRIO_PROCESS, self, kNice);
}

unsigned Workers::default_threads() {
  return std::clamp(std::thread::hardware_concurrency(), 1U, kThreadsMax);
}

Workers::Workers(unsigned threads, WorkPriority priority) : priority_(priority) {
  threads_.reserve(threads);
  try {
    for (unsigned slot = 0; slot < threads; ++slot)
      threads_.emplace_back([this, slot] { run(slot); });
  } catch (const std::system_error&) {  // a limit of the user's: those that there are do it
  }
}

Workers::~Workers() {
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  begun_.notify_all();
}

unsigned Workers::slots() const { return std::max(1U, static_cast<unsigned>(threads_.size())); }

void Workers::for_each(std::size_t items, const Work& work) {
  if (threads_.empty()) {
    for (std::size_t item = 0; item < items; ++item) work(item, 0);
    return;
  }
  MutexLock lock(mutex_);
  work_ = &work;
  items_ = items;
  next_ = 0;
  begun_.notify_all();
  while (next_ < items_ || under_way_ > 0) done_.wait(lock);
  work_ = nullptr;
  if (auto failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
}

bool Workers::wait_for_item(MutexLock& lock) {
  while (!ends_ && next_ >= items_) begun_.wait(lock);
  return !ends_;
}

void Workers::run(unsigned slot) {
  if (priority_ == WorkPriority::background) yield_to_other_programs();
  MutexLock lock(mutex_);
  while (wait_for_item(lock)) {
    const auto item = next_++;
    const auto* work = work_;
    ++under_way_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*work)(item, slot);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --under_way_;
    if (failure) {
      if (!failure_) failure_ = failure;
      next_ = items_;
    }
    if (under_way_ == 0 && next_ >= items_) done_.notify_one();
  }
}

}  // namespace cardswap::store
