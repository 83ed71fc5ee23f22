#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/engine/state_view.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store.h"

namespace cardswap {

/// A whole state as of one step, with the root that the source has verified.
struct CapturedState {
  StateView view;
  std::vector<std::byte> values;
  std::uint64_t step = 0;
  Digest root;
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
  std::string writer;  ///< SnapshotStart::writer
  store::ProgramEntry program;
  store::SnapshotOrigin origin;
};

/// The published snapshot, and what it cost.
struct PackedSnapshot {
  store::Ref ref;
  store::SnapshotCost cost;
};

/// Writes `state` to `into` as the job's next snapshot, and gives it its tag; chunks that the store
/// has are not written again. Before it is published, all bytes are checked against the root:
/// throws Error{digest_mismatch} if they are not the verified state. Throws what SnapshotWriter
/// throws.
[[nodiscard]] PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                                           const SnapshotLabels& labels);

}  // namespace cardswap
