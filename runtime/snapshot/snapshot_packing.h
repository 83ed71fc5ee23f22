#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"
#include "migrator/core/notes.h"
#include "migrator/engine/state_view.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap {

/// A whole state as of one step, with the state digest that the source has verified.
struct CapturedState {
  StateView view;
  /// The chunks whose bytes are not in `view`, for the parent has them: SnapshotPacking::begin().
  std::vector<ChunkId> of_the_parent = {};
  std::vector<std::byte> values;
  std::uint64_t step = 0;
  Digest state_digest;
  std::uint64_t chunk_bytes = 0;  ///< of the chunks whose digests made `state_digest`
  Notes notes = {};               ///< what the job's program had noted
};

/// What a snapshot records of its job.
struct SnapshotLabels {
  std::string job;
  std::uint64_t epoch = 0;
  std::string tag;  ///< its name for people; or empty
  std::string branch = "main";
  /// The manifest from which the job went on, in hexadecimal: the parent of the branch's first
  /// snapshot. Empty: it went on from none.
  std::string restored_from;
  std::string run = {};  ///< as store::Ref has it
  std::string writer;    ///< as SnapshotStart has it
  store::ProgramEntry program;
  store::SnapshotOrigin origin;
};

/// The published snapshot, and what it cost.
struct PackedSnapshot {
  store::Ref ref;
  store::SnapshotCost cost;
  std::optional<Error> parent_failed;  ///< why it has no parent, although the job has a snapshot
  std::optional<Error> tag_failed;     ///< why it has not the tag that was asked for
};

/// A job's next snapshot, while its state comes and is written to a store. Works on threads of its
/// own that yield to the job's.
///
/// Its parent is the latest snapshot of its branch that is of its run, or that from which the job
/// went on; never one of another run. If that cannot be read, it has none. One thread at a time.
class SnapshotPacking {
 public:
  /// `into` outlives this.
  SnapshotPacking(store::Store& into, SnapshotLabels labels);
  ~SnapshotPacking();
  SnapshotPacking(const SnapshotPacking&) = delete;
  SnapshotPacking& operator=(const SnapshotPacking&) = delete;

  /// Begins, or begins anew, for a state with this layout. Returns the digests of the parent's
  /// chunks, one for each chunk of the state; nullopt for one that the parent has not. Empty if the
  /// store refuses: that ends no transfer, and pack() tries once more.
  std::vector<std::optional<Digest>> begin(const Layout& layout, std::uint64_t chunk_bytes);
  /// Writes `state`, for which begin() was called, publishes it, and gives it its tag; chunks that
  /// the store has are not written again. If the tag cannot be written, the snapshot is published
  /// all the same. Before that, all bytes are checked against the state digest, or, of a chunk that
  /// is the parent's, the parent's digest: throws Error{digest_mismatch} if they are not the
  /// verified state. Calls `advanced`, which may be empty, for each chunk that is done with, and
  /// before it publishes. Throws what SnapshotWriter throws. To be called once.
  [[nodiscard]] PackedSnapshot pack(const CapturedState& state,
                                    const std::function<void()>& advanced);

 private:
  void open_writer(const Layout& layout, std::uint64_t chunk_bytes);
  void give_chunks(const CapturedState& state, const std::function<void()>& advanced);
  [[nodiscard]] store::SnapshotFacts facts_of(const CapturedState& state) const;

  store::Store& into_;
  const SnapshotLabels labels_;
  store::Workers workers_;
  store::PackCatalog catalog_;
  std::optional<store::Ref> parent_;
  std::optional<Error> parent_failed_;
  std::vector<Digest> digests_;  // of give_chunks()
  std::unique_ptr<store::SnapshotWriter> writer_;
};

/// Does what SnapshotPacking::begin() and pack() do, for a state of which all bytes are here.
[[nodiscard]] PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                                           const SnapshotLabels& labels,
                                           const std::function<void()>& advanced = {});

}  // namespace cardswap
