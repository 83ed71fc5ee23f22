#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/protocol/target_side.h"
#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_context.h"
#include "agent/handover/target/source_courier.h"

namespace cardswap {

/// Carries out the effects of an event at the target: first the journal, then the standby and the
/// source. The only place where a reservation's state changes.
///
/// Each apply(), fail() and tick() throws Error{io, corrupt} if the disk refuses a required record;
/// then nothing has happened. `beside` changes other fields of the record together with the state,
/// under the same rule; it is not called if the event writes no record. Owned by ReservationTask;
/// one thread.
class TargetExecutor final : public handover::Executor<handover::TargetSide> {
 public:
  /// All references must outlive it.
  TargetExecutor(const ReservationContext& scope, SourceCourier& source, CriuArrival& arrival)
      : context_(scope.context),
        list_(scope.list),
        reservation_(scope.reservation),
        source_(source),
        arrival_(arrival) {}

  using Beside = std::function<void(ReservationRecord&)>;

  void apply(const handover::TargetSide& next, const handover::Effects& effects,
             Beside beside = {});
  void apply(handover::TargetEvent event);
  /// `why` becomes the record's error if the message changes the state and there is none yet.
  void apply(const handover::Message& said, std::optional<Error> why = std::nullopt);
  /// Handles the standby's report that it holds the whole state.
  void apply(const handover::Content& verified);
  /// Applies an event. `error` is logged if the event changes the state, and then becomes the
  /// record's error if there is none yet.
  void fail(handover::TargetEvent event, Error error);
  /// TargetSide::tick(): repeats the notice to the source.
  void tick();

  // handover::Executor, for the driver
  std::optional<Error> journal(const handover::TargetSide& next, bool required) override;
  void execute(const handover::Effect& effect, const handover::TargetSide& next) noexcept override;

 private:
  void act(const handover::Effect& effect, const handover::TargetSide& next);
  void apply(const handover::TargetSide& next, const handover::Effects& effects,
             handover::OtherSide& other, Beside beside);
  void grant(Instance& standby, handover::Epoch epoch, const handover::TargetSide& next);

  const HandoverContext& context_;
  ReservationList& list_;
  Reservation& reservation_;
  SourceCourier& source_;
  CriuArrival& arrival_;
  Beside beside_;  // for the next record, while its state is applied
};

}  // namespace cardswap
