#include "migrator/engine/source/update_log.h"

#include <algorithm>
#include <utility>

#include "migrator/base/ms_since.h"

namespace cardswap {

bool UpdateLog::fits(std::uint64_t bytes) const {
  const auto entries = stats_.held_bytes - stats_.early_bytes;
  return closed_ || bytes == 0 || bytes_max_ == 0 || entries == 0 || entries + bytes <= bytes_max_;
}

bool UpdateLog::holds_early(ParameterId parameter, std::uint64_t number) const {
  const auto held = early_held_.find(parameter);
  return held != early_held_.end() && held->second.number == number;
}

void UpdateLog::forget_early(ParameterId parameter) {
  const auto held = early_held_.find(parameter);
  if (held == early_held_.end()) return;
  stats_.held_bytes -= held->second.bytes;
  stats_.early_bytes -= held->second.bytes;
  early_held_.erase(held);
}

UpdateLog::Clock::time_point UpdateLog::deadline_of(std::uint64_t step) {
  if (std::exchange(waiting_step_, step) != step) step_waited_ms_ = 0;
  if (!wait_max_) return Clock::time_point::max();
  const auto left = *wait_max_ - std::chrono::duration<double, std::milli>(step_waited_ms_);
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::max(left, left.zero()));
}

void UpdateLog::note_wait(Clock::time_point start) {
  const auto waited = ms_since(start);
  step_waited_ms_ += waited;
  stats_.waited_ms += waited;
  stats_.longest_wait_ms = std::max(stats_.longest_wait_ms, step_waited_ms_);
}

bool UpdateLog::wait(MutexLock& lock, Clock::time_point deadline) {
  if (deadline != Clock::time_point::max()) return changed_.wait_until(lock, deadline);
  changed_.wait(lock);
  return true;
}

void UpdateLog::append(UpdateEntry entry) {
  const auto bytes = entry.bytes();
  {
    MutexLock lock(mutex_);
    if (!fits(bytes)) {
      const auto start = Clock::now();
      const auto deadline = deadline_of(entry.step);
      bool in_time = true;
      while (in_time && !fits(bytes)) in_time = wait(lock, deadline);
      stats_.back_pressure_ms += ms_since(start);
      note_wait(start);
      overran_ = !fits(bytes);
    }
    if (closed_) return;
    if (overran_) {
      shut();
    } else {
      for (const auto& gradient : entry.gradients) forget_early(gradient.parameter);
      stats_.held_bytes += bytes;
      ++appended_;
      entries_.push_back(std::move(entry));
    }
  }
  wake_();
}

void UpdateLog::wait_until_sent(std::uint64_t step) {
  MutexLock lock(mutex_);
  const auto start = Clock::now();
  const auto deadline = deadline_of(step);
  bool in_time = true;
  while (in_time && !closed_ && sent_ != appended_) in_time = wait(lock, deadline);
  if (std::exchange(held_step_, step) != step) stats_.hold_ms = 0;
  stats_.hold_ms += ms_since(start);
  stats_.all_sent = closed_ || sent_ == appended_;
  note_wait(start);
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

bool UpdateLog::append_early(std::uint64_t step, ParameterId parameter, std::uint64_t bytes,
                             const std::function<CapturedGradient()>& copy) {
  std::uint64_t number = 0;
  {
    const MutexLock lock(mutex_);
    const auto index = static_cast<std::size_t>(parameter);
    if (closed_ || index >= wants_early_.size() || !wants_early_[index] || !entries_.empty() ||
        early_held_.contains(parameter) ||
        (bytes_max_ != 0 && stats_.held_bytes + bytes > bytes_max_)) {
      return false;
    }
    number = ++early_numbered_;
    early_held_[parameter] = {number, bytes};
    stats_.held_bytes += bytes;
    stats_.early_bytes += bytes;
  }
  std::optional<CapturedGradient> gradient;
  try {
    gradient = copy();
  } catch (...) {
    const MutexLock lock(mutex_);
    if (holds_early(parameter, number)) forget_early(parameter);
    throw;
  }
  {
    const MutexLock lock(mutex_);
    if (closed_ || !holds_early(parameter, number)) return false;  // its entry came meanwhile
    early_.push_back({step, std::move(*gradient), number});
  }
  wake_();
  return true;
}

void UpdateLog::want_early(std::vector<bool> parameters) {
  const MutexLock lock(mutex_);
  wants_early_ = std::move(parameters);
}

std::optional<EarlyCopy> UpdateLog::take_early() {
  const MutexLock lock(mutex_);
  if (early_.empty()) return std::nullopt;
  auto early = std::move(early_.front());
  early_.pop_front();
  return early;
}

void UpdateLog::drop_early(const EarlyCopy& copy) {
  const MutexLock lock(mutex_);
  const auto parameter = copy.gradient.parameter;
  if (holds_early(parameter, copy.number)) forget_early(parameter);
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

void UpdateLog::set_wait_max(std::optional<std::chrono::duration<double, std::milli>> longest) {
  const MutexLock lock(mutex_);
  wait_max_ = longest;
}

void UpdateLog::release(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  stats_.held_bytes -= bytes;
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
  shut();
}

void UpdateLog::shut() {
  closed_ = true;
  entries_.clear();
  early_.clear();
  changed_.notify_all();
}

bool UpdateLog::has_overrun() const {
  const MutexLock lock(mutex_);
  return overran_;
}

bool UpdateLog::is_closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

UpdateLogStats UpdateLog::stats() const {
  const MutexLock lock(mutex_);
  return stats_;
}

bool UpdateLog::has_early() const {
  const MutexLock lock(mutex_);
  return !early_.empty();
}

bool UpdateLog::empty() const {
  const MutexLock lock(mutex_);
  return entries_.empty();
}

}  // namespace cardswap
