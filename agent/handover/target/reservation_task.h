#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "agent/handover/base/pin.h"
#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_context.h"
#include "agent/handover/target/source_courier.h"
#include "agent/handover/target/standby_events.h"
#include "agent/handover/target/target_executor.h"

namespace cardswap {

/// Works on one reservation, from the start of its standby to its end.
///
/// It watches the source meanwhile, and does what the source and operators ask for. TargetSide
/// decides what follows from an event; TargetExecutor carries it out. Shared by Reservations and by
/// the Pin of each coroutine, so that the reservation is not forgotten while they work on it. One
/// thread.
class ReservationTask final : public ReservationControl,
                              public Pinnable,
                              public std::enable_shared_from_this<ReservationTask> {
 public:
  /// All references must outlive it; `r` is of `list`. `park_max`: how long a standby may take to
  /// park.
  ReservationTask(const HandoverContext& context, ReservationList& list, Reservation& r,
                  std::chrono::milliseconds park_max);

  [[nodiscard]] Reservation& reservation() { return reservation_; }
  [[nodiscard]] TargetExecutor& executor() { return executor_; }
  [[nodiscard]] SourceCourier& source() { return source_; }
  [[nodiscard]] StandbyEvents& standby() { return standby_; }

  /// Returns when the standby's program runs or the reservation was given up meanwhile. Throws the
  /// Error of a start that failed, and Error{io, corrupt} if the disk refuses.
  asio::awaitable<void> start_standby();
  /// Goes on with a reservation that a former agent left. Throws Error{io, corrupt}.
  void take_up();
  /// Grants the job to this host. Throws Error{digest_mismatch} if the standby holds another
  /// content, Error{not_found, conflict} if the state does not allow it, Error{io, corrupt} if the
  /// disk refuses: then the job is not here.
  void grant(handover::Epoch epoch, const handover::Content& content);
  /// Gives the reservation up for its source. `epoch` above the migration's: an operator decided
  /// that the job goes on there under it; a process that was granted it here is halted for good,
  /// and ended if it is a rank of a job of many.
  /// Any other value, such as 0: the migration's own. Returns when no process of it steps here.
  /// Throws Error{conflict} if the job is here, and Error{io, corrupt} if the disk refuses.
  asio::awaitable<void> drop(handover::Epoch epoch);
  /// Cancels for the operator `by` of this host; returns when its processes have ended. Throws what
  /// check_cancel() throws, and Error{io, corrupt} if the disk refuses.
  asio::awaitable<void> cancel(std::string by);
  /// Tells the source in the background that an operator gave the job to this host, until the
  /// source knows it. Does nothing if there is no such notice.
  void notify_source();
  /// Ends a process that a former agent restored and did not grant.
  void end_copy(ProcessId program, ProcessId init) { arrival_.end_copy(program, init); }

  // ReservationControl
  void apply(handover::TargetEvent event) override { executor_.apply(event); }
  void apply(const handover::Message& said) override { executor_.apply(said); }
  void apply(const handover::Message& said, Error why) override {
    executor_.apply(said, std::move(why));
  }
  void apply(const handover::Content& verified) override { executor_.apply(verified); }
  void fail(handover::TargetEvent event, Error error) override;
  void tick() override { executor_.tick(); }
  void spawn(std::string name, asio::awaitable<void> work) override;

 private:
  asio::awaitable<void> watch_source();

  const ReservationContext scope_;
  Reservation& reservation_;
  const std::chrono::milliseconds park_max_;
  std::chrono::steady_clock::time_point made_at_ = std::chrono::steady_clock::now();
  SourceCourier source_;
  CriuArrival arrival_;
  TargetExecutor executor_;
  StandbyEvents standby_;
};

}  // namespace cardswap
