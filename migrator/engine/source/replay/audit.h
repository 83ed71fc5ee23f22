#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/device/digest_run.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/replay_shards.h"
#include "migrator/engine/source/replay/update_log.h"

namespace cardswap {

/// The result of a comparison of both sides' digests.
struct AuditOutcome {
  std::vector<ChunkId> missing;           ///< chunks to be sent
  std::vector<std::size_t> not_replayed;  ///< shards that are sent by digests from now on, ...
  std::vector<RegionId> regions;          ///< ... and for each a region that differs
};
/// Compares both sides' digests after the same update. State that an update rewrites must be equal
/// on both sides; a shard with a difference is sent by digests from now on (changed in `shards`).
/// For the other chunks, `chunks` takes the target's digests. No clock, no I/O; `here` and `there`
/// have one digest for each chunk.
[[nodiscard]] AuditOutcome compare_audits(std::span<const Digest> here,
                                          std::span<const Digest> there, ChunkMap& chunks,
                                          ReplayShards& shards);

/// The audit of a replay: both sides digest everything after one and the same step. One audit at a
/// time, until one finds no difference. The engine's thread; the scan has a thread of its own.
class Audit {
 public:
  /// All outlive this.
  Audit(SourceContext& source, UpdateLog& log, StateWindow& window)
      : source_(source), log_(log), window_(window) {}

  /// Requests an audit at the next boundary. False: one is pending, or the latest one found no
  /// difference.
  bool request();
  /// Notes that the audit's entry, of `step`, is sent as the update with the number `update`.
  void note_sent_as(std::uint64_t step, std::uint64_t update);
  /// Returns the audit's outcome, once, when both sides' digests are here; else none. Call it
  /// between any two sends. Throws what a device threw during the scan, and Error{bad_request} if
  /// the target has digests of another number of chunks.
  [[nodiscard]] std::optional<AuditOutcome> poll(ReplayShards& shards);
  /// Gives up the current audit, because the layout has changed. True: an audit of the former
  /// layout had been requested, and none was concluded.
  bool start_over();
  /// Gives up the current audit at a freeze. If the freeze is put off, another one can be
  /// requested.
  void cancel();

  /// Whether an audit of the current layout was concluded, and none is running. A requested audit
  /// counts as running from its boundary on.
  [[nodiscard]] bool is_done() const { return concluded_ && !running_; }

 private:
  /// The current audit.
  struct Running {
    explicit Running(std::uint64_t its_step) : step(its_step) {}
    std::uint64_t step;
    std::uint64_t update = 0;  // number of its update, once it was sent
    StateView view;            // keeps the memory of the scan alive
    std::optional<DigestRun> scan;
    std::optional<std::vector<Digest>> here;
  };
  bool begin_scan();

  SourceContext& source_;
  UpdateLog& log_;
  StateWindow& window_;
  std::optional<Running> running_;
  bool asked_ = false;      // an audit was requested and is not concluded
  bool concluded_ = false;  // an audit of the current layout was concluded
  bool clean_ = false;      // and it found no difference
};

}  // namespace cardswap
