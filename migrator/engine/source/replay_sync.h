#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "migrator/engine/source/audit.h"
#include "migrator/engine/source/base_copy.h"
#include "migrator/engine/source/log_shipper.h"
#include "migrator/engine/source/replay_outlook.h"
#include "migrator/engine/source/replay_report.h"
#include "migrator/engine/source/replay_units.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/state_window.h"
#include "migrator/engine/source/update_log.h"

namespace cardswap {

/// The `replay` strategy at the source: base copy, then the update log.
///
/// A database's base backup and log shipping, with the optimizer's step as the log's entry: each
/// parameter goes over once, with its optimizer state, as of some step k (a shard, copied aside in
/// the window between two steps and sent from there); from k+1 on only its gradients follow, and
/// the target does the same step. What no optimizer rewrites goes by digests, as in rounds. An
/// audit, digests of everything on both sides after one and the same step, finds what replaying
/// does not reproduce; those shards go by digests from there on.
///
/// What the program tracks may change meanwhile: a parameter's first gradient makes its optimizer
/// state. The target then takes the other layout between two updates, and only the shards concerned
/// are copied again.
class ReplaySync {
 public:
  /// `source` outlives this.
  explicit ReplaySync(SourceContext& source);
  ~ReplaySync();
  ReplaySync(const ReplaySync&) = delete;
  ReplaySync& operator=(const ReplaySync&) = delete;

  /// Asks the program for its log. False: it has none, or nothing that an update rewrites.
  bool begin();
  /// Syncs until the program is frozen; again after a freeze that was put off. False: replaying
  /// does not work here, no update could be reproduced, and from now on this covers nothing; what
  /// was sent has been replayed.
  bool sync();
  /// What a freeze with that state has to send, as far as it can be known before all is digested;
  /// of one that did not wait in vain, whose log has gone over.
  [[nodiscard]] std::uint64_t bytes_left(const StateView& frozen) const;
  /// Whether the frozen program took its last step before that step's entry had gone, because it
  /// had waited for as long as a step may.
  [[nodiscard]] bool has_waited_in_vain() const { return !log_->stats().all_sent; }
  /// Sends what is left of the log, after the freeze, and takes over the frozen state's layout.
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
  /// Looks at what has to be looked at between any two sends.
  void poll();
  void note_stats();
  void ask_for_audit();
  void conclude_audit(const AuditOutcome& outcome);
  void report_units();
  [[nodiscard]] ReplayFacts facts() const;
  void bound_waits();
  /// Tells what is to be expected, and does what outlook_of() advises.
  void look_ahead();
  void give_up();

  SourceContext& source_;
  const std::shared_ptr<UpdateLog> log_;
  const std::shared_ptr<StateWindow> window_;
  ReplayUnits units_;
  BaseCopy base_;
  LogShipper shipper_;
  Audit audit_;
  ReplayReport report_;
  ReplaySizes sizes_;
  EarlierLooks looks_;
  const std::chrono::steady_clock::time_point made_at_ = std::chrono::steady_clock::now();
  bool holds_for_the_limit_ = false;  // each step waits for its own entry, and for no more
  bool begun_ = false;                // what no update rewrites was sent
  bool given_up_ = false;
  std::uint64_t interrupted_audits_ = 0;  // in a row, by a layout with nothing new to replay
  std::uint64_t dirty_bytes_ = 0;         // bytes that differed at the latest audit
};

}  // namespace cardswap
