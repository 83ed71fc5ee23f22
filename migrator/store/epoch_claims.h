#pragma once

#include <cstdint>
#include <string>

#include "migrator/store/store.h"

/// Who may publish snapshots of a job: the objects fence/JOB/EPOCH-RUN, each created once, tell
/// which epochs of a run of the job are claimed, and by which run.
///
/// A run claims each of its epochs for itself before it publishes under that, and before a recovery
/// lets a copy of it step. A run that goes on from another run's snapshot under the same name, by
/// restore or rollback, claims the next epoch of that run as well: from then on no copy of the
/// other run publishes, whatever its epoch becomes. Runs of one name that have nothing to do with
/// each other, the second of which was begun at its first step, claim nothing of each other.
///
/// A claim and the publishing after it are two calls: between them another copy may claim. Its
/// next look then tells the first one so, and a reader of the store has two snapshots that name
/// their runs and epochs. All functions throw what the store throws, and Error{bad_request} when
/// `job` is not a label. A claim that cannot be read counts by its name alone: as one of its own
/// run.
namespace cardswap::store {

/// A copy of a job that steps, or is about to.
struct EpochClaimant {
  std::string job;
  std::string run;  ///< run_of() the job. Empty: not known, and it claims and is refused nothing
  std::uint64_t epoch = 0;
  std::string where;  ///< for people: its host
};

/// Claims the epoch of its own run, unless the run has it already. Throws Error{conflict} that says
/// that another copy of the job may be alive: a higher epoch of the run is claimed, or another run
/// has gone on from a snapshot of it.
void claim_epoch(Store& store, const EpochClaimant& claimant);

/// Claims the next epoch of the run `from` for the claimant, which goes on from a snapshot of
/// `from` that was taken under `snapshot_epoch`; and so that of each run that has done the same
/// before. Does nothing where `from` is empty or the claimant's own run, or the claimant has been
/// here before. Throws Error{conflict} when another run goes on from it at the same moment.
void take_over_run(Store& store, const EpochClaimant& claimant, const std::string& from,
                   std::uint64_t snapshot_epoch);

/// "fence/gpt/00000000000000000007-RUN".
[[nodiscard]] std::string claimed_epoch_name(const std::string& job, const std::string& run,
                                             std::uint64_t epoch);

}  // namespace cardswap::store
