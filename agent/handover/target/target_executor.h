#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/protocol/target_side.h"
#include "agent/handover/target/criu_arrival.h"
#include "agent/handover/target/reservation_scope.h"
#include "agent/handover/target/source_link.h"

namespace cardswap {

/// Carries out the effects of an event at the target: on disk first, then to the standby and the
/// source. The state of a place changes through this door only.
///
/// Each apply() throws the disk's refusal, and then nothing has happened. `beside` changes other
/// fields of the record together with the state: in memory once they are on disk, and not at all if
/// the state does not change. Owned by ReservationTask; one thread.
class TargetExecutor final : public handover::Executor<handover::TargetSide> {
 public:
  /// All of them outlive it.
  TargetExecutor(const ReservationScope& scope, SourceLink& source, CriuArrival& arrival)
      : context_(scope.context),
        list_(scope.list),
        reservation_(scope.reservation),
        source_(source),
        arrival_(arrival) {}

  using Beside = std::function<void(ReservationRecord&)>;

  void apply(const handover::TargetSide& next, const handover::Effects& effects,
             Beside beside = {});
  void apply(handover::TargetEvent event);
  /// `why` it is failed, where that leads to it and nothing was wrong before.
  void apply(const handover::Message& said, std::optional<Error> why = std::nullopt);
  void apply(const handover::Content& verified);
  /// `error` is why, where the event leads somewhere and nothing was wrong before.
  void fail(handover::TargetEvent event, Error error);
  /// Says again what is worth saying again.
  void tick();

  // What the driver asks for
  std::optional<Error> journal(const handover::TargetSide& next, bool required) override;
  void execute(const handover::Effect& effect, const handover::TargetSide& next) noexcept override;

 private:
  void act(const handover::Effect& effect, const handover::TargetSide& next);
  void apply(const handover::TargetSide& next, const handover::Effects& effects,
             handover::Peer& peer, Beside beside);
  void grant(Instance& standby, handover::Epoch epoch, const handover::TargetSide& next);

  const HandoverContext& context_;
  ReservationList& list_;
  Reservation& reservation_;
  SourceLink& source_;
  CriuArrival& arrival_;
  Beside beside_;  // for the next record, while its state is applied
};

}  // namespace cardswap
