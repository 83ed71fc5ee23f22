#pragma once

#include <vector>

#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_scope.h"

namespace cardswap {

/// Turns what a standby and the kernel say of it into events of its place.
///
/// Owned by ReservationTask; one thread. Each call may throw the disk's refusal.
class StandbyEvents {
 public:
  /// All of them outlive it.
  StandbyEvents(const ReservationScope& scope, CriuArrival& arrival)
      : config_(scope.context.config),
        events_(scope.context.events),
        list_(scope.list),
        run_(scope.run),
        reservation_(scope.reservation),
        arrival_(arrival) {}

  void on_message(Instance& standby, const channel::Message& message);
  void on_exit(const Instance& standby);

 private:
  void on_parked(const Instance& standby, const channel::Parked& parked);
  void on_verified(const channel::Verified& verified);
  void on_stored(const channel::Stored& stored);
  void on_failed(const channel::Failed& failed);
  void on_first_steps(std::vector<double> took_ms, bool over);
  void note_warning(const Instance& standby);

  const Config& config_;
  EventSink& events_;
  ReservationList& list_;
  RunningReservation& run_;
  Reservation& reservation_;
  CriuArrival& arrival_;
};

/// What a standby is told when it attaches. `r`: its place; null: it has none any more.
[[nodiscard]] channel::Welcome welcome_of(const Instance& standby, const Reservation* r,
                                          const Config& config);

}  // namespace cardswap
