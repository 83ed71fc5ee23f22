#pragma once

#include <functional>
#include <list>
#include <optional>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/protocol/source_side.h"
#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/migration_scope.h"
#include "agent/handover/source/target_links.h"

namespace cardswap {

/// Carries out the effects of an event at the source: on disk first, then to the trainer and the
/// target. A migration's state changes through this door only.
///
/// Each apply() throws the disk's refusal, and then nothing has happened. `beside` changes other
/// fields of the record together with the state: in memory once they are on disk, and not at all if
/// the state does not change. Owned by MigrationTask; one thread.
class SourceExecutor final : public handover::Executor<handover::SourceSide> {
 public:
  /// All of them outlive it. `departures`: one a transfer.
  SourceExecutor(const MigrationScope& scope, TargetLinks& targets,
                 std::list<CriuDeparture>& departures);

  using Beside = std::function<void(MigrationRecord&)>;

  void apply(const handover::SourceSide& next, const handover::Effects& effects,
             Beside beside = {});
  void apply(handover::Event event, Beside beside = {});
  void apply(const handover::Message& status);
  /// The trainer's word: both ends hold this.
  void apply(const handover::Content& verified);
  /// Says again what is worth saying again; asks what is worth asking.
  void tick();
  void poll();
  /// What the side says to who asks.
  [[nodiscard]] handover::Message answer(const handover::Message& asked);

  // What the driver asks for
  std::optional<Error> journal(const handover::SourceSide& next, bool required) override;
  void execute(const handover::Effect& effect, const handover::SourceSide& next) noexcept override;

 private:
  void act(const handover::Effect& effect);
  /// Does an effect for one process here.
  void act(const handover::Effect& effect, const Transfer& transfer, Instance& source);
  void release(const Transfer& transfer, Instance& source, handover::Epoch epoch);
  void retire(const Transfer& transfer, Instance& source);
  void alert();
  [[nodiscard]] CriuDeparture& departure_of(const Transfer& transfer);

  const HandoverContext& context_;
  MigrationList& list_;
  Migration& migration_;
  TargetLinks& targets_;
  std::list<CriuDeparture>& departures_;
  Beside beside_;  // for the next record, while its state is applied
};

}  // namespace cardswap
