#include "migrator/engine/source/context/state_window.h"

#include <chrono>

#include "migrator/base/ms_since.h"

namespace cardswap {

void StateWindow::close() {
  MutexLock lock(mutex_);
  open_ = false;
  if (!being_read_) return;
  const auto start = std::chrono::steady_clock::now();
  while (being_read_) changed_.wait(lock);
  waited_ms_ += ms_since(start);
}

void StateWindow::open(std::uint64_t step, Fence fence) {
  const MutexLock lock(mutex_);
  open_ = true;
  step_ = step;
  fence_ = std::move(fence);
}

std::optional<StateWindow::Read> StateWindow::try_read() {
  const MutexLock lock(mutex_);
  if (!open_ || being_read_) return std::nullopt;
  being_read_ = true;
  return Read(this, step_, fence_);
}

void StateWindow::leave() {
  const MutexLock lock(mutex_);
  being_read_ = false;
  changed_.notify_all();
}

bool StateWindow::is_open() const {
  const MutexLock lock(mutex_);
  return open_;
}

double StateWindow::waited_ms() const {
  const MutexLock lock(mutex_);
  return waited_ms_;
}

}  // namespace cardswap
