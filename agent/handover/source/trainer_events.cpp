#include "agent/handover/source/trainer_events.h"

#include <fmt/format.h>

#include "agent/jobs/runtime_report.h"

namespace cardswap {

bool on_trainer_message(const MigrationContext& scope, Instance& source,
                        const channel::Message& message, const PredictionBook& book) {
  auto& m = scope.migration;
  auto* transfer = m.find(source.id());
  if (transfer == nullptr) return false;
  const auto mine = [&](const std::string& id) { return id == m.id(); };
  // A report that the present state does not allow is late, or the runtime is broken: ignore it.
  const auto reaches = [&](SourceProgress next) {
    const bool may = transfer->source_progress.may(next);
    if (may) transfer->source_progress.step(next, m.id());
    return may;
  };
  const auto note = [&](auto change) { scope.list.note(*transfer, change); };
  bool is_news = true;
  if (const auto* progress = std::get_if<channel::SyncProgress>(&message)) {
    if (!mine(progress->migration)) return false;
    note([&](TransferRecord& record) { record.stats = progress->stats; });
  } else if (const auto* converged = std::get_if<channel::Converged>(&message)) {
    if (!mine(converged->migration) || !reaches(SourceProgress::converged)) return false;
    note([&](TransferRecord& record) {
      record.predicted_downtime_ms = converged->expected_downtime_ms;
      book.predict(m.record(), record);
    });
  } else if (const auto* frozen = std::get_if<channel::Frozen>(&message)) {
    if (!mine(frozen->migration)) return false;
    // Also where an agent that was restarted heard nothing before.
    note_frozen(source, !frozen->trains_on);
    if (!reaches(SourceProgress::frozen)) return false;
    transfer->frozen_step = frozen->step;
    transfer->trains_on = frozen->trains_on;
    transfer->frozen_at = std::chrono::steady_clock::now();
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    if (!mine(verified->migration) || !reaches(SourceProgress::verified)) return false;
    transfer->verified = verified->state_digest;
    note([&](TransferRecord& record) { record.stats = verified->stats; });
  } else if (const auto* departed = std::get_if<channel::Departed>(&message)) {
    if (!mine(departed->migration) || !reaches(SourceProgress::departed)) return false;
    transfer->departed = *departed;
  } else if (handover::is_captured(m.state()) && !std::get_if<channel::Released>(&message)) {
    return false;  // the keeper has the state, whatever happens to the trainer
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    if (mine(failed->migration)) scope.run.fail(Error(failed->code, failed->failure, failed->hint));
    return false;
  } else if (const auto* released = std::get_if<channel::Released>(&message)) {
    if (!mine(released->migration) || !reaches(SourceProgress::released)) return false;
  } else if (std::holds_alternative<channel::Ended>(message)) {
    scope.run.fail(Error(Code::source_lost, fmt::format("job {} ended by itself", source.name())));
    return false;
  } else if (std::holds_alternative<channel::Stepped>(message)) {
    is_news = false;  // for the timeline only
  } else {
    return false;
  }
  scope.list.add_sample(m, *transfer, &source);
  return is_news;
}

}  // namespace cardswap
