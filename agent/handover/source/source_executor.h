#pragma once

#include <functional>
#include <list>
#include <optional>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/protocol/source_side.h"
#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/target_couriers.h"

namespace cardswap {

/// Carries out the effects of an event at the source: first the journal, then the trainer and the
/// target. The only place where a migration's state changes.
///
/// Each apply(), tick(), poll() and answer() throws Error{io, corrupt} if the disk refuses a
/// required record; then nothing has happened. `beside` changes other fields of the record together
/// with the state, under the same rule; it is not called if the event writes no record. Owned by
/// MigrationTask; one thread.
class SourceExecutor final : public handover::Executor<handover::SourceSide> {
 public:
  /// All references must outlive it. `departures` has one for each transfer.
  SourceExecutor(const MigrationContext& scope, TargetCouriers& targets,
                 std::list<CriuDeparture>& departures);

  using Beside = std::function<void(MigrationRecord&)>;

  void apply(const handover::SourceSide& next, const handover::Effects& effects,
             Beside beside = {});
  void apply(handover::SourceEvent event, Beside beside = {});
  void apply(const handover::Message& status);
  /// Handles the trainer's report that both ends hold this content.
  void apply(const handover::Content& verified);
  /// SourceSide::tick(): sends the message that fits the state again.
  void tick();
  /// SourceSide::poll(): asks the target for its state.
  void poll();
  /// The side's answer to a message, which is returned instead of sent. `asked` must be one that
  /// the side answers.
  [[nodiscard]] handover::Message answer(const handover::Message& asked);

  // handover::Executor, for the driver
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
  TargetCouriers& targets_;
  std::list<CriuDeparture>& departures_;
  Beside beside_;  // for the next record, while its state is applied
};

}  // namespace cardswap
