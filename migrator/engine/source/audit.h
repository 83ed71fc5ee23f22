#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/device/digest_job.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/source/replay_units.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/state_window.h"
#include "migrator/engine/source/update_log.h"

namespace cardswap {

/// What a comparison of both sides' digests found.
struct AuditOutcome {
  std::vector<ChunkId> missing;           ///< chunks to be sent
  std::vector<std::size_t> not_replayed;  ///< units that go by digests from now on, ...
  std::vector<RegionId> regions;          ///< ... and the region of each where it showed
};
/// Compares both sides' digests after the same update. What an update rewrites must agree by
/// itself; a unit that does not goes by digests from now on. `chunks` takes what the target holds
/// of the rest. Pure; `here` and `there` have one digest a chunk.
[[nodiscard]] AuditOutcome compare_audits(std::span<const Digest> here,
                                          std::span<const Digest> there, ChunkMap& chunks,
                                          ReplayUnits& units);

/// The audit of a replay: digests of everything, on both sides, after one and the same step. One at
/// a time, until one finds nothing. The engine's thread; its scan has a thread of its own.
class Audit {
 public:
  /// All outlive this.
  Audit(SourceContext& source, UpdateLog& log, StateWindow& window)
      : source_(source), log_(log), window_(window) {}

  /// Requests an audit at the next boundary. False: one is pending, or the latest one found
  /// nothing.
  bool request();
  /// Notes that the entry of `step` goes over as `update`.
  void note_sent_as(std::uint64_t step, std::uint64_t update);
  /// The audit's outcome, once, when both sides' digests are here. To be called between any two
  /// sends.
  [[nodiscard]] std::optional<AuditOutcome> poll(ReplayUnits& units);
  /// Gives up what is under way: the layout changed, and its digests are of the former one. True:
  /// an audit of that had been requested, and none was concluded.
  bool start_over();
  /// Drops the audit under way; after a freeze that was put off there is another one.
  void cancel();

  /// Whether an audit was concluded since the layout is as it is, and none is under way.
  [[nodiscard]] bool is_done() const { return concluded_ && !running_; }

 private:
  /// The audit that is under way.
  struct Running {
    explicit Running(std::uint64_t its_step) : step(its_step) {}
    std::uint64_t step;
    std::uint64_t update = 0;  // its number, once it was sent
    StateView view;            // keeps what is scanned alive
    std::optional<DigestJob> scan;
    std::optional<std::vector<Digest>> here;
  };
  bool begin_scan();

  SourceContext& source_;
  UpdateLog& log_;
  StateWindow& window_;
  std::optional<Running> running_;
  bool asked_ = false;      // until it is concluded
  bool concluded_ = false;  // since the layout is as it is
  bool clean_ = false;      // and nothing differed
};

}  // namespace cardswap
