#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/engine/source/early_copies.h"
#include "migrator/engine/source/step_waits.h"
#include "migrator/engine/update.h"

namespace cardswap {

/// What an UpdateLog has come to.
struct UpdateLogStats {
  std::uint64_t held_bytes = 0;
  double back_pressure_ms = 0;    ///< append() waited for room
  std::uint64_t early_bytes = 0;  ///< of those held, copies ahead of their entry
  double hold_ms = 0;             ///< what the latest held step waited for its entries
  double waited_ms = 0;           ///< all that steps waited here, ...
  double longest_wait_ms = 0;     ///< ... and the most that one did
  bool all_sent = true;           ///< that the latest held step waited for, in time
  std::uint32_t waiting = 0;      ///< threads that wait here now
};

/// The update log between the training thread, which appends, and the engine, which sends.
///
/// Holds at most `bytes_max` of gradients that the target has not replayed yet (one entry is always
/// let in); beyond that append() waits, which is back-pressure on the trainer, and counts it.
///
/// A gradient may come ahead of its entry, as a copy that counts as held. It is taken only where
/// there is room and nothing else waits to be sent: it would gain nothing by it. No entry waits for
/// copies to go, its own or others': the thread that waits is the one that appends their entries.
/// So copies may come on top of `bytes_max`, as many bytes again at most.
///
/// No step waits here for longer than set_wait_max() allows, all its waits together. What then does
/// not fit makes an end of the log: has_overrun(). What was not sent by then goes after the step.
class UpdateLog {
 public:
  using Clock = std::chrono::steady_clock;

  explicit UpdateLog(std::function<void()> wake) : wake_(std::move(wake)) {}

  // ---- training thread
  /// Appends an entry; returns at once when the log is closed. Closes it where there is no room in
  /// time.
  void append(UpdateEntry entry);
  /// Waits until everything appended has been sent, the log is closed or the step may wait no
  /// longer; before `step` is taken.
  void wait_until_sent(std::uint64_t step);
  /// Appends, at a boundary, the audit that was asked for, behind every update of the step.
  void end_step(std::uint64_t step);
  /// Whether each step waits for its own entry, not only the last one.
  [[nodiscard]] bool holds_each() const;

  // ---- any thread that computes gradients
  /// Takes a gradient ahead of the entry of `step`, if it is wanted and there is room: then `copy`
  /// is called for it. False: it goes with its entry. Throws what `copy` throws.
  bool append_early(std::uint64_t step, ParameterId parameter, std::uint64_t bytes,
                    const std::function<CapturedGradient()>& copy);

  // ---- the engine's thread
  /// Takes early, from now on, the gradients of these parameters: one truth a ParameterId.
  void want_early(std::vector<bool> parameters);
  /// The next gradient that came early; an entry of its step may have been appended since.
  [[nodiscard]] std::optional<EarlyCopy> take_early();
  /// Lets go of a copy that take_early() gave. What an entry has let go of already is left alone,
  /// as is a later copy of the same parameter.
  void drop_early(const EarlyCopy& copy);
  /// The next entry, unless it is of a step after `step_max`.
  [[nodiscard]] std::optional<UpdateEntry> take(std::uint64_t step_max = UINT64_MAX);
  /// Bounds the gradients that the log holds; 0: no bound.
  void set_bytes_max(std::uint64_t bytes);
  /// Bounds the waits of one step that begin after this; none: as long as it takes.
  void set_wait_max(std::optional<StepWaits::Milliseconds> longest);
  /// Lets go of `bytes` of an entry: they need not be held or waited for any more.
  void release(std::uint64_t bytes);
  /// Makes each step wait, from now on, until its entry has been sent.
  void hold_each();
  /// Notes that the latest entry taken has left this process.
  void note_sent();
  /// Asks for an audit at the next boundary.
  void request_audit();
  /// The step of an audit that was appended since the last call.
  [[nodiscard]] std::optional<std::uint64_t> take_audit_step();
  /// Lets every waiter go and takes nothing more. Any thread.
  void close();
  [[nodiscard]] bool is_closed() const;
  /// Whether it was closed because a step would have waited for too long.
  [[nodiscard]] bool has_overrun() const;

  [[nodiscard]] UpdateLogStats stats() const;
  [[nodiscard]] bool empty() const;
  [[nodiscard]] bool has_early() const;

 private:
  /// Whether an entry of so many bytes needs to wait for none before it.
  [[nodiscard]] bool fits(std::uint64_t bytes) const CARDSWAP_REQUIRES(mutex_);
  /// Waits for a change. False: `deadline` is over.
  bool wait(MutexLock& lock, Clock::time_point deadline) CARDSWAP_REQUIRES(mutex_);
  void shut() CARDSWAP_REQUIRES(mutex_);

  const std::function<void()> wake_;
  mutable Mutex mutex_;
  Condition changed_;
  std::deque<UpdateEntry> entries_ CARDSWAP_GUARDED_BY(mutex_);
  EarlyCopies early_ CARDSWAP_GUARDED_BY(mutex_);
  StepWaits waits_ CARDSWAP_GUARDED_BY(mutex_);
  std::uint64_t entry_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // held, without what came early
  std::uint64_t bytes_max_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t appended_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t sent_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool audit_requested_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::optional<std::uint64_t> audit_step_ CARDSWAP_GUARDED_BY(mutex_);
  std::uint32_t waiting_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool holds_each_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool all_sent_ CARDSWAP_GUARDED_BY(mutex_) = true;
  bool overran_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool closed_ CARDSWAP_GUARDED_BY(mutex_) = false;
};

}  // namespace cardswap
