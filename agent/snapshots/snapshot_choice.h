#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "migrator/store/line.h"
#include "migrator/store/refs.h"

/// Chooses the snapshot from which a job goes on when its own copy is gone. No I/O of its own.
namespace cardswap::snapshots {

/// How many snapshots one recovery tries at most in each store.
inline constexpr std::size_t kSnapshotTriesMax = 3;

/// What tells the snapshots of a job from others of its name.
struct JobLine {
  std::string branch;         ///< of what the job has taken last; empty: "main"
  std::string restored_from;  ///< the manifest from which that branch began; or empty
  std::string run;            ///< store::run_of() the job; empty: of any run
};

/// The snapshots of the job among `refs`, which are by number, the newest first: store::line_of()
/// the newest one of its branch and run, and that of the one from which the branch began. What
/// another run of that name has left there is no state of this job.
[[nodiscard]] std::vector<store::Ref> line_of_job(const std::vector<store::Ref>& refs,
                                                  const JobLine& job,
                                                  const store::ParentOf& parent_of);

/// A snapshot that was chosen, or why there is none.
struct SnapshotChoice {
  std::optional<store::Ref> ref;  ///< as far as it was examined it is whole; nullopt: there is none
  std::string branch;             ///< of what the job takes after it; empty without a `ref`
  std::string store;              ///< the address of the store that has it; empty without a `ref`
  std::uint64_t log_step = 0;     ///< to which the gradient log leads on from it; 0: nowhere
  std::string log_branch;         ///< of that log
  /// Why each newer snapshot and each store before was not chosen, in the order in which they were
  /// looked at; for people.
  std::vector<std::string> passed_over;
  /// Whether there is no trace of a snapshot of that name, now or before.
  bool has_none_at_all = false;
  /// Whether a store could not be opened or read: a later try may find what this one did not.
  bool is_store_away = false;
};

/// What is wrong with a snapshot; empty: it is whole.
using Examine = std::function<std::string(const store::Ref&)>;

/// The newest snapshot of the job's line that is whole, of at most kSnapshotTriesMax that are
/// examined, in one store, whose address stays empty. Snapshots that are all of others are told in
/// `passed_over`. Throws what `examine` and `parent_of` throw.
[[nodiscard]] SnapshotChoice choose_snapshot(const store::RefList& list, const JobLine& job,
                                             const Examine& examine,
                                             const store::ParentOf& parent_of);

}  // namespace cardswap::snapshots
