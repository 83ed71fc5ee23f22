#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "migrator/store/log_format.h"
#include "migrator/store/log_index.h"
#include "migrator/store/log_window.h"
#include "migrator/store/store.h"
#include "runtime/log/logged_step.h"

namespace cardswap {

/// What has become of a log.
struct LogFigures {
  std::uint64_t logged = 0;        ///< the last step that is in the store; 0: none
  std::uint64_t behind = 0;        ///< steps that wait for the store
  std::uint64_t dropped = 0;       ///< steps that were left out
  std::uint64_t dropped_step = 0;  ///< the last one of them; 0: none
  std::uint64_t unproven = 0;      ///< logged steps without a state digest
  std::uint64_t kept_bytes = 0;    ///< of all segments of the run that this knows
  std::uint64_t kept_from = 0;     ///< the first step of these; 0: there are none
  double waited_ms = 0;            ///< for which steps stood, because each waits for the store
  std::string failure;             ///< why the latest steps are not in the store; or empty
  bool operator==(const LogFigures&) const = default;
};

/// Writes the steps of a job into a store, on a thread of its own: as many as are there by then as
/// one segment, which is there as a whole or not at all.
///
/// A step that finds the store so far behind that more than a bound of memory would be held is left
/// out, and the figures tell: the training never waits, unless it asks to by wait_for(). The steps
/// after such a gap lead on from the next snapshot.
class LogWriter {
 public:
  /// `start` is that of all segments. Opens the store on its thread, for that may take time;
  /// segments that the run has there count for the window. Nothing throws: failure() tells.
  LogWriter(std::string store, store::LogStart start, store::LogWindow window,
            std::uint64_t base_step);
  ~LogWriter();  ///< drops what waits; a write under way is finished
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // ---- training thread
  /// Adds a step, whose state digest settle() brings. False: it was left out.
  bool add(LoggedStep step);
  /// Waits until the step is in the store, or was left out.
  void wait_for(std::uint64_t step);

  // ---- any thread
  /// The state digest of the latest step that was added, or that it has none.
  void settle(std::uint64_t step, std::optional<Digest> root);
  /// A snapshot of that step is verified: what leads up to it may go.
  void set_base(std::uint64_t step);
  [[nodiscard]] LogFigures figures() const;

 private:
  /// A step that waits.
  struct Waiting {
    LoggedStep step;
    std::optional<Digest> root;
    bool is_settled = false;
  };
  void run();
  /// Takes the steps for the next segment. Empty: it is to stop.
  [[nodiscard]] std::vector<Waiting> take();
  void write(std::vector<Waiting> steps);
  /// Opens the store, for one write: a process that is moved as a whole has no folder open.
  [[nodiscard]] std::unique_ptr<store::Store> open();
  void make_room(store::Store& in, std::uint64_t coming);
  void leave_out(std::uint64_t step, std::uint64_t count) CARDSWAP_REQUIRES(mutex_);

  const std::string address_;
  const store::LogStart start_;
  const store::LogWindow window_;
  // The writer's thread alone:
  std::optional<std::vector<store::LogSegment>> segments_;  // nullopt: not looked for yet
  std::chrono::steady_clock::time_point retry_at_{};

  mutable Mutex mutex_;
  mutable Condition changed_;
  std::deque<Waiting> waiting_ CARDSWAP_GUARDED_BY(mutex_);
  std::uint64_t held_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // also of those being written
  std::uint64_t largest_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // the last step that is written or left out
  std::uint64_t base_step_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::uint64_t writing_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // how many steps
  bool stops_ CARDSWAP_GUARDED_BY(mutex_) = false;
  LogFigures figures_ CARDSWAP_GUARDED_BY(mutex_);
  GuestThread thread_;  // last: it uses the others
};

}  // namespace cardswap
