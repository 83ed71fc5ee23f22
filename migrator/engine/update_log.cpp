#include "migrator/engine/update_log.h"

#include <chrono>
#include <utility>

#include "migrator/core/ms_since.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

bool UpdateLog::fits(std::uint64_t bytes) const {
  return closed_ || bytes == 0 || bytes_max_ == 0 || figures_.held_bytes == 0 ||
         figures_.held_bytes + bytes <= bytes_max_;
}

void UpdateLog::append(UpdateEntry entry) {
  const auto bytes = entry.bytes();
  {
    MutexLock lock(mutex_);
    if (!fits(bytes)) {
      const auto start = Clock::now();
      while (!fits(bytes)) changed_.wait(lock);
      figures_.back_pressure_ms += ms_since(start);
    }
    if (closed_) return;
    figures_.held_bytes += bytes;
    ++appended_;
    entries_.push_back(std::move(entry));
  }
  wake_();
}

void UpdateLog::wait_until_sent(std::uint64_t step) {
  MutexLock lock(mutex_);
  const auto start = Clock::now();
  while (!closed_ && sent_ != appended_) changed_.wait(lock);
  if (std::exchange(held_step_, step) != step) figures_.hold_ms = 0;
  figures_.hold_ms += ms_since(start);
}

void UpdateLog::end_step(std::uint64_t step) {
  {
    const MutexLock lock(mutex_);
    if (closed_ || !std::exchange(audit_requested_, false)) return;
    audit_step_ = step;
    UpdateEntry entry;
    entry.step = step;
    entry.audit = true;
    ++appended_;
    entries_.push_back(std::move(entry));
  }
  wake_();
}

bool UpdateLog::holds_each() const {
  const MutexLock lock(mutex_);
  return holds_each_;
}

void UpdateLog::hold_each() {
  const MutexLock lock(mutex_);
  holds_each_ = true;
}

std::optional<UpdateEntry> UpdateLog::take(std::uint64_t step_max) {
  const MutexLock lock(mutex_);
  if (entries_.empty() || entries_.front().step > step_max) return std::nullopt;
  auto entry = std::move(entries_.front());
  entries_.pop_front();
  return entry;
}

void UpdateLog::set_bytes_max(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  bytes_max_ = bytes;
  changed_.notify_all();
}

void UpdateLog::release(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  figures_.held_bytes -= bytes;
  changed_.notify_all();
}

void UpdateLog::sent() {
  const MutexLock lock(mutex_);
  ++sent_;
  changed_.notify_all();
}

void UpdateLog::request_audit() {
  const MutexLock lock(mutex_);
  audit_requested_ = true;
}

std::optional<std::uint64_t> UpdateLog::take_audit_step() {
  const MutexLock lock(mutex_);
  return std::exchange(audit_step_, std::nullopt);
}

void UpdateLog::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  entries_.clear();
  changed_.notify_all();
}

bool UpdateLog::closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

LogFigures UpdateLog::figures() const {
  const MutexLock lock(mutex_);
  return figures_;
}

bool UpdateLog::empty() const {
  const MutexLock lock(mutex_);
  return entries_.empty();
}

}  // namespace cardswap
