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

/// A whole state as of one step, whose root its source has confirmed.
struct CapturedState {
  StateView view;
  std::vector<std::byte> values;
  std::uint64_t step = 0;
  Digest root;
};

/// What a snapshot says of the job that it is of.
struct SnapshotLabels {
  std::string job;
  std::uint64_t epoch = 0;
  std::string tag;     ///< or empty
  std::string writer;  ///< SnapshotStart::writer
  store::ProgramEntry program;
  store::SnapshotOrigin origin;
};

/// What became of it.
struct PackedSnapshot {
  store::Ref ref;
  store::SnapshotCost cost;
};

/// Writes `state` into `into` behind the job's latest snapshot there; chunks that the store has are
/// not written again. Published once every byte was held against the root anew: a state that is not
/// the one that was confirmed throws Error{digest_mismatch}. Throws what SnapshotWriter throws.
[[nodiscard]] PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                                           const SnapshotLabels& labels);

}  // namespace cardswap
