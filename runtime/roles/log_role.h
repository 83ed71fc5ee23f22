#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/engine/update_entry.h"
#include "runtime/log/step_recorder.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process told to keep a gradient log of its steps (channel::KeepLog).
///
/// It is no migration and changes no side; migrations go on beside it. What a step reads is
/// collected on the training thread, and written by another one (LogWriter). Where the program
/// cannot be read, the log ends, and the agent is told why; the loop goes on.
class LogRole {
 public:
  explicit LogRole(RoleContext& context) : context_(context) {}

  // ---- the thread that opens the session
  /// Sets the job's name and what writes the log, for the store and for people.
  void set_job(std::string job, std::string writer) {
    job_ = std::move(job);
    writer_ = std::move(writer);
  }

  // ---- the channel's thread
  void order(const channel::KeepLog& order);
  /// Has report() tell again what there is, to an agent that may be a new one.
  void repeat_report();
  /// Tells the agent what has become of the log, if that has changed. Waits for the end of a write
  /// to a store whose log is over.
  void report();

  // ---- the training thread; nothing throws
  /// Whether the tracker must be told which gradients the step under way uses.
  [[nodiscard]] bool wants_gradients() const { return is_on_; }
  /// Called before an update; `capture` gives what that reads.
  using Capture = std::function<std::optional<UpdateEntry>()>;
  void before_step(const Capture& capture);
  /// Called at each boundary. `is_read`: somebody else has told the tracker of it.
  void on_boundary(bool is_read);
  /// Ends the log and waits for its threads. Also called when the session is closed.
  void stop();

 private:
  /// Begins, ends and goes on as the latest order wants it.
  void follow(const channel::KeepLog& order);
  void record(const channel::KeepLog& order, bool is_read);
  void fail(const std::string& why);
  [[nodiscard]] bool is_mine() const;
  void set_recorder(std::shared_ptr<StepRecorder> recorder);

  RoleContext& context_;
  std::string job_;
  std::string writer_;
  std::atomic<bool> is_on_{false};
  // Training thread only:
  int boundaries_seen_ = 0;  // with an order in force, up to the one at which it begins
  channel::KeepLog followed_;
  std::optional<std::uint64_t> latest_step_;  // at which it was called

  Mutex mutex_;
  channel::KeepLog order_ CARDSWAP_GUARDED_BY(mutex_);
  /// Owners: this, and a report under way.
  std::shared_ptr<StepRecorder> recorder_ CARDSWAP_GUARDED_BY(mutex_);
  std::string failure_ CARDSWAP_GUARDED_BY(mutex_);
  channel::Logged told_ CARDSWAP_GUARDED_BY(mutex_);
  bool repeats_ CARDSWAP_GUARDED_BY(mutex_) = false;
  /// Recorders that are over: they may be writing, for which the training thread does not wait.
  std::vector<std::shared_ptr<StepRecorder>> over_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap
