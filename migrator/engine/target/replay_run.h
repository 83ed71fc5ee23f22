#pragma once

#include <atomic>
#include <exception>
#include <functional>

#include "migrator/base/guest_thread.h"
#include "migrator/engine/program.h"

namespace cardswap {

/// Replays one update on a thread of its own, while its owner keeps the link alive. The destructor
/// waits for the end of the replay.
class ReplayRun {
 public:
  /// Starts. `wake` is called on the job's thread when it is done. `program` outlives this.
  ReplayRun(TargetProgram& program, ReceivedUpdate update, std::function<void()> wake);

  [[nodiscard]] bool is_done() const { return done_; }
  [[nodiscard]] const ReceivedUpdate& update() const { return update_; }
  // ---- once is_done()
  /// Throws the Error by which the replay failed, if it failed: that of TargetProgram::replay()
  /// (any other exception as Error{internal}), Error{digest_mismatch} if a gradient that was sent
  /// early is not the right one after the multiplication by its factor, or Error{bad_request} if
  /// such a gradient is not in the host's memory.
  void rethrow_failure() const;
  /// How long the replay took.
  [[nodiscard]] double ms() const { return ms_; }

 private:
  const ReceivedUpdate update_;
  double ms_ = 0;
  std::exception_ptr failure_;
  std::atomic<bool> done_{false};
  GuestThread thread_;
};

}  // namespace cardswap
