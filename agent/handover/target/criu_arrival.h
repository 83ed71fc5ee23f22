#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/criu/process_arrival.h"
#include "agent/handover/target/reservation_context.h"

namespace cardswap {

/// Brings in the process of one job by CRIU: a holder process receives its memory in the place of a
/// standby, then the restored process takes the holder's place.
///
/// For a job whose program starts anew here it only ends the standby (end_standby()). Owned by
/// ReservationTask; one thread.
class CriuArrival {
 public:
  /// `scope` outlives it.
  explicit CriuArrival(const ReservationContext& scope)
      : scope_(scope), reservation_(scope.reservation) {}

  /// Listens for a process image; returns the holder's command line, which is started in the place
  /// of the standby's program. Throws Error if it cannot listen or make the folder.
  std::vector<std::string> prepare();
  /// Restores the process from the image and returns once it has verified its memory or the
  /// reservation has ended otherwise. A process that does not verify it within 10 s, and 1 s more
  /// for each 200 MB of state, fails the reservation, as other failures do
  /// (ReservationControl::fail()).
  asio::awaitable<void> arrive();
  /// Handles a message of the holder, until the process is restored. True: the message is done
  /// with; false: the caller handles it.
  bool take(const channel::Message& message);
  /// Puts the end of the holder off while CRIU restores: the holder ends with a restoring that is
  /// given up, and that tells why. False: nothing is being restored, and the caller tells the end.
  bool put_off(const Error& holder_ended);
  /// Notes that the restored process has verified its memory.
  void note_verified();

  /// Lets the restored processes outlive this agent: they have the job.
  void grant();
  /// Ends the holder, the standby or the restored process of a job that does not stay here; returns
  /// at once, see ended().
  void end_standby();
  /// Ends a restored process, once its GPU driver has released its GPUs; returns at once.
  void end_copy(ProcessId program, ProcessId init);
  /// Waits until no restored process is left.
  asio::awaitable<void> ended();

 private:
  [[nodiscard]] std::optional<Error> take_over(const criu::ProcessArrival::Result& result);
  asio::awaitable<void> end_restored(ProcessId program, ProcessId init);

  const ReservationContext& scope_;
  Reservation& reservation_;
  std::unique_ptr<criu::ProcessArrival> arrival_;  // from prepare() on
  std::optional<Digest> held_;                     // the digest that the holder verified
  ProcessId holder_;                               // once the process has taken its place; or none
  std::chrono::steady_clock::time_point restored_at_{};  // by this agent
  bool ending_ = false;                                  // the restored process is being ended
  bool restoring_ = false;                               // the image is here, the process is not
  std::optional<Error> put_off_;                         // the holder ended meanwhile
};

/// Kills the processes below `program` and `init`, once the GPU driver has released their GPUs.
/// They were restored here and were not granted the job, or lost it, and do not step meanwhile.
/// Throws only when the agent stops. `whose` is for the log.
asio::awaitable<void> end_restored_tree(const HandoverContext& context, std::string whose,
                                        ProcessId program, ProcessId init);

}  // namespace cardswap
