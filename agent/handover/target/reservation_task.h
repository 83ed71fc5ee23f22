#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "agent/handover/base/pin.h"
#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_scope.h"
#include "agent/handover/target/source_link.h"
#include "agent/handover/target/standby_events.h"
#include "agent/handover/target/target_executor.h"

namespace cardswap {

/// Brings one place for a job on its way in from its standby's start to its end.
///
/// It watches the source meanwhile, and does what the two sides and the operators ask for.
/// What follows from what is TargetSide's to say; TargetExecutor carries it out. Owned by
/// Reservations, and by each coroutine Pin on it, so that the place is not forgotten under it.
/// One thread.
class ReservationTask final : public RunningReservation,
                              public Pinnable,
                              public std::enable_shared_from_this<ReservationTask> {
 public:
  /// The parts outlive it; `r` is of `list`. `park_max`: until a standby has parked.
  ReservationTask(const HandoverContext& context, ReservationList& list, Reservation& r,
                  std::chrono::milliseconds park_max);

  [[nodiscard]] Reservation& reservation() { return reservation_; }
  [[nodiscard]] TargetExecutor& executor() { return executor_; }
  [[nodiscard]] SourceLink& source() { return source_; }
  [[nodiscard]] StandbyEvents& standby() { return standby_; }

  /// Returns when the standby's program runs. Throws what kept it from that.
  asio::awaitable<void> start_standby();
  /// Goes on with what a former agent left.
  void resume();
  /// Throws Error{digest_mismatch, not_found, conflict} where the job is not here now.
  void grant(handover::Epoch epoch, const handover::Content& content);
  /// Given up by its source; under a higher epoch than the migration's (0: its own) the job goes on
  /// there by an operator's word, and what was granted here stands for good.
  /// Returns when nothing of it steps here. Throws Error{conflict} where the job is here.
  asio::awaitable<void> drop(handover::Epoch epoch);
  /// Cancels for an operator of this host. Throws Error{conflict} once its source may have decided.
  asio::awaitable<void> cancel(std::string by);
  /// Tells the source of a job that an operator took here, until it knows.
  void notify_source();
  /// Ends a process that a former agent had restored, and not granted.
  void end_copy(ProcessId root, ProcessId init) { arrival_.end_copy(root, init); }

  // RunningReservation, for its parts
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

  const ReservationScope scope_;
  Reservation& reservation_;
  const std::chrono::milliseconds park_max_;
  std::chrono::steady_clock::time_point made_at_ = std::chrono::steady_clock::now();
  SourceLink source_;
  CriuArrival arrival_;
  TargetExecutor executor_;
  StandbyEvents standby_;
};

}  // namespace cardswap
