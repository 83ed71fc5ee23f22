#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/audit.h"
#include "migrator/engine/source/replay/base_copy.h"
#include "migrator/engine/source/replay/log_shipper.h"
#include "migrator/engine/source/replay/replay_forecast.h"
#include "migrator/engine/source/replay/replay_report.h"
#include "migrator/engine/source/replay/replay_shards.h"
#include "migrator/engine/source/replay/update_log.h"

namespace cardswap {

/// The `replay` strategy at the source: base copy, then the update log.
///
/// It works as a database's base backup with log shipping; an entry of the log is an optimizer
/// step. Each parameter is sent once, with its optimizer state, as of some step k: a shard, which
/// is copied aside in the window between two steps. From step k+1 on only its gradients are sent,
/// and the target repeats the step. State that no optimizer rewrites is sent by digests, as in
/// rounds. An audit (both sides digest everything after one and the same step) finds the shards
/// that replaying does not reproduce; these are sent by digests from then on.
///
/// The layout may change meanwhile: a parameter's first gradient creates its optimizer state. The
/// target then takes the new layout between two updates, and only the shards concerned are copied
/// again. The engine's thread. Calls that send or wait throw as ConnectionToTarget's waits do.
class ReplaySync {
 public:
  /// `source` outlives this.
  explicit ReplaySync(SourceContext& source);
  ~ReplaySync();
  ReplaySync(const ReplaySync&) = delete;
  ReplaySync& operator=(const ReplaySync&) = delete;

  /// Asks the program to begin its log. False: the program has no log, or no state that updates
  /// rewrite.
  bool begin();
  /// Syncs until the program is frozen; call it again after a freeze that was put off. False:
  /// replaying does not work for this job, because no shard can be reproduced, the layout changes
  /// after each step, or a step would be delayed beyond the limit. covers() is then false for all
  /// chunks, and the target has replayed all updates that were sent. Throws Error{not_converging}
  /// if only replay was requested and a step would be delayed beyond the limit.
  bool sync();
  /// How many bytes a freeze with that state has to send, as far as it is known before the state is
  /// digested. To be called when has_stepped_before_its_entry_was_sent() is false.
  [[nodiscard]] std::uint64_t bytes_left(const StateView& frozen) const;
  /// Whether the frozen program took its last step before that step's entry was sent, because the
  /// step had waited as long as it may.
  [[nodiscard]] bool has_stepped_before_its_entry_was_sent() const {
    return !log_->stats().all_sent;
  }
  /// Sends the rest of the log after the freeze, and takes over the layout of the frozen state.
  void finish_log(const StateView& frozen);
  /// Whether a chunk needs no sending because the target replays its updates.
  [[nodiscard]] bool covers(ChunkId chunk) const;
  [[nodiscard]] std::uint64_t updates_sent() const { return shipper_.updates_sent(); }

 private:
  void follow_the_program();
  void take_layout(StateView now);
  void send_uncovered_regions();
  bool send_next();
  void stage_ahead();
  void send_staged_shard();
  void send_entry(UpdateEntry entry);
  /// Releases entries, polls the audit and reports. To be called between any two sends.
  void poll();
  void note_stats();
  void ask_for_audit();
  void conclude_audit(const AuditOutcome& outcome);
  void report_units();
  [[nodiscard]] ReplayFacts facts() const;
  void bound_waits();
  /// Reports the prediction, and does what forecast_of() advises.
  void look_ahead();
  void give_up();

  SourceContext& source_;
  const std::shared_ptr<UpdateLog> log_;
  const std::shared_ptr<StateWindow> window_;
  ReplayShards shards_;
  BaseCopy base_;
  LogShipper shipper_;
  Audit audit_;
  ReplayReport report_;
  ReplaySizes sizes_;
  ForecastHistory history_;
  const std::chrono::steady_clock::time_point made_at_ = std::chrono::steady_clock::now();
  bool holds_for_the_limit_ = false;  // each step waits for its own entry, to keep the limit
  bool begun_ = false;                // the state that no update rewrites was sent once
  bool given_up_ = false;
  std::uint64_t interrupted_audits_ = 0;  // in a row, by layouts without new shards
  std::uint64_t dirty_bytes_ = 0;         // bytes that differed at the latest audit
};

}  // namespace cardswap
