#pragma once

#include <vector>

#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_context.h"

namespace cardswap {

/// Turns the messages of a standby, and its exit, into events of its reservation.
///
/// Owned by ReservationTask; one thread. Each call throws Error{io, corrupt} if the disk refuses.
class StandbyEvents {
 public:
  /// Both references, and those in `scope`, must outlive it.
  StandbyEvents(const ReservationContext& scope, CriuArrival& arrival)
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
  ReservationControl& run_;
  Reservation& reservation_;
  CriuArrival& arrival_;
};

/// The answer to a standby that attaches. `r`: its reservation. Null: it was forgotten.
[[nodiscard]] channel::Welcome welcome_of(const Instance& standby, const Reservation* r,
                                          const Config& config);

}  // namespace cardswap
