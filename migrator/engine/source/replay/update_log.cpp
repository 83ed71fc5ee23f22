#include "migrator/engine/source/replay/update_log.h"

#include <utility>

namespace cardswap {

bool UpdateLog::fits(std::uint64_t bytes) const {
  return closed_ || bytes == 0 || bytes_max_ == 0 || entry_bytes_ == 0 ||
         entry_bytes_ + bytes <= bytes_max_;
}

bool UpdateLog::wait(MutexLock& lock, Clock::time_point deadline) {
  ++waiting_;
  bool in_time = true;
  if (deadline == Clock::time_point::max()) {
    changed_.wait(lock);
  } else {
    in_time = changed_.wait_until(lock, deadline);
  }
  --waiting_;
  return in_time;
}

void UpdateLog::append(UpdateEntry entry) {
  const auto bytes = entry.bytes();
  {
    MutexLock lock(mutex_);
    if (!fits(bytes)) {
      const auto start = Clock::now();
      const auto deadline = waits_.begin(entry.step, start);
      bool in_time = true;
      while (in_time && !fits(bytes)) in_time = wait(lock, deadline);
      waits_.note_for_room(start, Clock::now());
      overran_ = !fits(bytes);
    }
    if (closed_) return;
    if (overran_) {
      shut();
    } else {
      for (const auto& gradient : entry.gradients) early_.forget(gradient.parameter);
      entry_bytes_ += bytes;
      unsent_bytes_ += bytes;
      ++appended_;
      entries_.push_back(std::move(entry));
    }
  }
  wake_();
}

void UpdateLog::wait_until_sent(std::uint64_t step) {
  MutexLock lock(mutex_);
  const auto start = Clock::now();
  const auto deadline = waits_.begin(step, start);
  bool in_time = true;
  while (in_time && !closed_ && entries_sent_ != appended_) in_time = wait(lock, deadline);
  waits_.note_held(start, Clock::now());
  all_sent_ = closed_ || entries_sent_ == appended_;
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
    if (closed_ || !early_.is_wanted(parameter) || !entries_.empty() ||
        (bytes_max_ != 0 && entry_bytes_ + early_.held_bytes() + bytes > bytes_max_)) {
      return false;
    }
    number = early_.reserve(parameter, bytes);
  }
  std::optional<CapturedGradient> gradient;
  try {
    gradient = copy();
  } catch (...) {
    const MutexLock lock(mutex_);
    if (early_.holds(parameter, number)) early_.forget(parameter);
    throw;
  }
  {
    const MutexLock lock(mutex_);
    if (closed_ || !early_.holds(parameter, number)) return false;  // its entry came meanwhile
    early_.push({step, std::move(*gradient), number});
  }
  wake_();
  return true;
}

void UpdateLog::want_early(std::vector<bool> parameters) {
  const MutexLock lock(mutex_);
  early_.want(std::move(parameters));
}

std::optional<EarlyCopy> UpdateLog::take_early() {
  const MutexLock lock(mutex_);
  return early_.pop();
}

void UpdateLog::drop_early(const EarlyCopy& copy) {
  const MutexLock lock(mutex_);
  const auto parameter = copy.gradient.parameter;
  if (early_.holds(parameter, copy.copy_number)) early_.forget(parameter);
}

bool UpdateLog::holds_each_step() const {
  const MutexLock lock(mutex_);
  return holds_each_;
}

void UpdateLog::hold_each_step() {
  const MutexLock lock(mutex_);
  holds_each_ = true;
}

std::optional<UpdateEntry> UpdateLog::take(std::uint64_t step_max) {
  const MutexLock lock(mutex_);
  if (entries_.empty() || entries_.front().step > step_max) return std::nullopt;
  auto entry = std::move(entries_.front());
  entries_.pop_front();
  unsent_bytes_ -= entry.bytes();
  return entry;
}

void UpdateLog::set_bytes_max(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  bytes_max_ = bytes;
  changed_.notify_all();
}

void UpdateLog::set_wait_max(std::optional<StepWaits::Milliseconds> longest) {
  const MutexLock lock(mutex_);
  waits_.set_max(longest);
}

void UpdateLog::release(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  entry_bytes_ -= bytes;
  changed_.notify_all();
}

void UpdateLog::note_sent() {
  const MutexLock lock(mutex_);
  ++entries_sent_;
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
  unsent_bytes_ = 0;
  early_.drop_waiting();
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
  return {.held_bytes = entry_bytes_ + early_.held_bytes(),
          .back_pressure_ms = waits_.for_room_ms(),
          .early_bytes = early_.held_bytes(),
          .unsent_bytes = unsent_bytes_,
          .log_wait_ms = waits_.held_ms(),
          .waited_ms = waits_.all_ms(),
          .longest_wait_ms = waits_.longest_ms(),
          .all_sent = all_sent_,
          .waiting = waiting_};
}

bool UpdateLog::has_early() const {
  const MutexLock lock(mutex_);
  return early_.has_waiting();
}

bool UpdateLog::empty() const {
  const MutexLock lock(mutex_);
  return entries_.empty();
}

}  // namespace cardswap
