#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/engine/source/replay/early_copies.h"
#include "migrator/engine/source/replay/step_waits.h"
#include "migrator/engine/update_entry.h"

namespace cardswap {

/// The figures of an UpdateLog.
struct UpdateLogStats {
  std::uint64_t held_bytes = 0;    ///< bytes of entries (options and gradients) and of early copies
  double back_pressure_ms = 0;     ///< sum of the waits for room in append()
  std::uint64_t early_bytes = 0;   ///< bytes of early copies
  std::uint64_t unsent_bytes = 0;  ///< bytes of entries that were not taken yet
  double log_wait_ms = 0;          ///< how long the latest held step waited for its entries
  double waited_ms = 0;            ///< sum of all waits of steps, ...
  double longest_wait_ms = 0;      ///< ... and the longest wait of one step
  bool all_sent = true;       ///< those of the latest held step were in time, or the log was closed
  std::uint32_t waiting = 0;  ///< threads that wait in this log now
};

/// The update log between the training thread, which appends entries, and the engine, which sends
/// them.
///
/// Holds at most set_bytes_max() bytes of entries (options and gradients) that the target has not
/// replayed yet, but always at least one entry. Beyond that append() waits: back-pressure on the
/// trainer.
///
/// A gradient may be added before its entry, as an early copy, which counts as held. It is taken
/// only if there is room and no entry waits to be sent; otherwise nothing would be gained. An entry
/// never waits for early copies to be sent, because the waiting thread is the one that appends
/// their entries. So early copies may come on top of the bound, as many bytes again at most.
///
/// The sum of a step's waits is limited by set_wait_max(). If an entry does not fit within that
/// time the log is closed: has_overrun(). If an entry is not sent within that time it is sent after
/// the step.
class UpdateLog {
 public:
  using Clock = std::chrono::steady_clock;

  /// `wake` is called, on the appending thread, when there is something to send or the log has
  /// closed itself.
  explicit UpdateLog(std::function<void()> wake) : wake_(std::move(wake)) {}

  // ---- training thread
  /// Appends an entry; waits for room. Does nothing when the log is closed, and closes it when
  /// there is no room in time.
  void append(UpdateEntry entry);
  /// Waits until everything appended is sent, the log is closed, or `step` may not wait any longer.
  /// To be called before `step` is taken.
  void wait_until_sent(std::uint64_t step);
  /// Appends an audit if one was requested. Call it at a boundary, after all entries of `step`.
  void end_step(std::uint64_t step);
  /// Whether each step waits for its own entry, not only the last one.
  [[nodiscard]] bool holds_each_step() const;

  // ---- any thread that computes gradients
  /// Adds a gradient before the entry of `step`, if it is wanted and there is room: calls `copy`
  /// for it. False: the gradient is sent with its entry. Does not wait. Throws what `copy` throws.
  bool append_early(std::uint64_t step, ParameterId parameter, std::uint64_t bytes,
                    const std::function<CapturedGradient()>& copy);

  // ---- the engine's thread
  /// Sets whose gradients are taken early: `parameters` is indexed by ParameterId.
  void want_early(std::vector<bool> parameters);
  /// Takes the next early copy. Nullopt: there is none. Its entry may have been appended since.
  [[nodiscard]] std::optional<EarlyCopy> take_early();
  /// No longer counts a copy from take_early() as held. Does nothing if its entry has released it
  /// already; never touches a later copy of the parameter.
  void drop_early(const EarlyCopy& copy);
  /// Takes the next entry. Nullopt: there is none, or it is of a step after `step_max`.
  [[nodiscard]] std::optional<UpdateEntry> take(std::uint64_t step_max = UINT64_MAX);
  /// Bounds the bytes of entries (options and gradients) that the log holds; 0: no bound.
  void set_bytes_max(std::uint64_t bytes);
  /// Limits the sum of the waits of one step, for waits that begin later. Nullopt: no limit.
  void set_wait_max(std::optional<StepWaits::Milliseconds> longest);
  /// No longer counts `bytes` of an entry as held.
  void release(std::uint64_t bytes);
  /// Makes each step wait, from now on, until its own entry is sent.
  void hold_each_step();
  /// Notes that the entry taken last was sent.
  void note_sent();
  /// Requests an audit at the next boundary.
  void request_audit();
  /// The step of the audit that was appended since the last call. Nullopt: no audit was.
  [[nodiscard]] std::optional<std::uint64_t> take_audit_step();
  /// Ends all waits, drops what was not taken yet, and ignores later entries. Any thread.
  void close();
  [[nodiscard]] bool is_closed() const;
  /// Whether the log was closed because a step would have waited too long.
  [[nodiscard]] bool has_overrun() const;

  [[nodiscard]] UpdateLogStats stats() const;
  /// Whether no entry waits to be taken.
  [[nodiscard]] bool empty() const;
  /// Whether an early copy waits to be taken.
  [[nodiscard]] bool has_early() const;

 private:
  /// Whether there is room for an entry of `bytes`.
  [[nodiscard]] bool fits(std::uint64_t bytes) const CARDSWAP_REQUIRES(mutex_);
  /// Waits for a change. False: `deadline` has passed.
  bool wait(MutexLock& lock, Clock::time_point deadline) CARDSWAP_REQUIRES(mutex_);
  void shut() CARDSWAP_REQUIRES(mutex_);

  const std::function<void()> wake_;
  mutable Mutex mutex_;
  Condition changed_;
  std::deque<UpdateEntry> entries_ CARDSWAP_GUARDED_BY(mutex_);
  EarlyCopies early_ CARDSWAP_GUARDED_BY(mutex_);
  StepWaits waits_ CARDSWAP_GUARDED_BY(mutex_);
  std::uint64_t entry_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;   // held, without early copies
  std::uint64_t unsent_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // in entries_
  std::uint64_t bytes_max_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t appended_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t entries_sent_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool audit_requested_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::optional<std::uint64_t> audit_step_ CARDSWAP_GUARDED_BY(mutex_);
  std::uint32_t waiting_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool holds_each_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool all_sent_ CARDSWAP_GUARDED_BY(mutex_) = true;
  bool overran_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool closed_ CARDSWAP_GUARDED_BY(mutex_) = false;
};

}  // namespace cardswap
