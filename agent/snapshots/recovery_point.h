#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "migrator/store/refs.h"

/// Chooses the snapshot from which a job goes on whose own copy is gone. No I/O of its own.
namespace cardswap::snapshots {

/// How many snapshots one recovery tries at most in each store.
inline constexpr std::size_t kSnapshotTriesMax = 3;

/// The line of snapshots that are a job's own.
struct Lineage {
  std::string branch;         ///< of what the job has taken last; empty: "main"
  std::string restored_from;  ///< the manifest from which that branch began; or empty
  std::string run;            ///< store::run_of() the job; empty: of any run
};

/// The snapshots of the job among `refs`, which are by number, from the newest of its branch back:
/// then the one from which the branch began, and those before it on its branch. Of the branch those
/// of the job's run count, behind them those of the run of the one from which it began: what
/// another run of that name has left there is no state of this job.
[[nodiscard]] std::vector<store::Ref> recovery_candidates(const std::vector<store::Ref>& refs,
                                                          const Lineage& lineage);

/// A snapshot that was found, or why there is none.
struct RecoveryPoint {
  std::optional<store::Ref> ref;  ///< a snapshot that was read as a whole; nullopt: there is none
  std::string branch;             ///< of what the job takes after it
  std::string store;              ///< its address
  std::vector<std::string> damaged;  ///< the newer ones, and what is wrong with each
  /// Whether the store has no trace of a snapshot of that name, now or before.
  bool has_none_at_all = false;
};

/// What is wrong with a snapshot; empty: it is whole.
using Examine = std::function<std::string(const store::Ref&)>;

/// The newest snapshot that is whole, of at most kSnapshotTriesMax that are examined. Throws what
/// `examine` throws. `RecoveryPoint::store` stays empty. Snapshots that are all of others are told
/// in `damaged`.
[[nodiscard]] RecoveryPoint choose_recovery_point(const store::RefList& list,
                                                  const Lineage& lineage, const Examine& examine);

}  // namespace cardswap::snapshots
