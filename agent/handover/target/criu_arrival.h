#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/criu/process_arrival.h"
#include "agent/handover/target/reservation_scope.h"

namespace cardswap {

/// Brings in the process of one job by CRIU: a holder takes its memory in the place of a standby,
/// then the restored process takes the holder's place.
///
/// Where a job's program starts anew here there is nothing to do, but to end its standby. Owned by
/// ReservationTask; one thread.
class CriuArrival {
 public:
  /// `scope` outlives it.
  explicit CriuArrival(const ReservationScope& scope)
      : scope_(scope), reservation_(scope.reservation) {}

  /// Takes process images from here on; returns what runs in the place of the standby's program.
  /// Throws Error.
  std::vector<std::string> prepare();
  /// Restores what comes, and waits until it has verified its memory.
  asio::awaitable<void> arrive();
  /// Takes a message of the holder's, which speaks until the process is there. True: nothing more
  /// is to be done.
  bool take(const channel::Message& message);
  /// The process has verified its memory.
  void note_verified();

  /// The tree has the job: it outlives this agent.
  void grant();
  /// Ends all that runs here for a job that does not stay.
  void end_standby();
  /// Ends a process that was restored, once its driver has let its GPUs go.
  void end_copy(ProcessId root, ProcessId init);
  /// Returns when nothing of what was restored is left.
  asio::awaitable<void> ended();

 private:
  [[nodiscard]] std::optional<Error> take_over(const criu::ProcessArrival::Result& result);
  asio::awaitable<void> end_restored(ProcessId root, ProcessId init);

  const ReservationScope& scope_;
  Reservation& reservation_;
  std::unique_ptr<criu::ProcessArrival> arrival_;  // from prepare() on
  std::optional<Digest> held_;                     // what the holder verified
  ProcessId holder_;                               // once the process has taken its place; or none
  std::chrono::steady_clock::time_point restored_at_{};  // by this agent
  bool ending_ = false;                                  // what was restored lets its GPUs go
};

/// Ends the processes below `root` and `init`, which were restored here and not granted the job, or
/// had it taken away: they take no further step meanwhile. `whose` is for the log.
asio::awaitable<void> end_restored_tree(const HandoverContext& context, std::string whose,
                                        ProcessId root, ProcessId init);

}  // namespace cardswap
