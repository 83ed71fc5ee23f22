#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/cli/snapshots/snapshot_name.h"
#include "migrator/store/line.h"
#include "migrator/store/refs.h"

namespace cardswap::cli {

/// How a job gets back to one of its steps: from the snapshot `base`, by replaying the gradient log
/// of the steps after it as far as that leads, and by taking the others again.
struct WayBack {
  store::Ref base;
  std::uint64_t step = 0;
  std::size_t of_others = 0;   ///< snapshots of that name that are of other runs, and do not count
  std::uint64_t log_step = 0;  ///< to which the gradient log leads on from `base`; 0: nowhere
  [[nodiscard]] std::uint64_t steps_again() const {
    return step - (log_step != 0 ? log_step : base.step);
  }
};

/// The run to whose steps it is to go back. Both empty: that of the newest snapshot.
struct RunWanted {
  std::string run;            ///< store::run_of() the job
  std::string restored_from;  ///< the manifest from which the job went on; or empty
};

/// Leaves of `refs`, which are one name's by number, those of the run and of the runs from which it
/// went on. Those that do not name their run are of any. Empty: the run has none. Pure, but for
/// `parent_of`.
[[nodiscard]] std::vector<store::Ref> of_one_run(const std::vector<store::Ref>& refs,
                                                 const RunWanted& wanted,
                                                 const store::ParentOf& parent_of);
/// store::line_of() of a snapshot that is there.
[[nodiscard]] std::vector<store::Ref> find_line_of(store::Store& in, const store::Ref& tip);
/// The line of a branch's newest snapshot. `branch`: empty: that of the job's newest snapshot.
/// Throws Error{not_found} if the branch has no snapshot, and what the store throws.
[[nodiscard]] std::vector<store::Ref> find_line(store::Store& in, const std::string& job,
                                                const std::string& branch);
/// The way to the step that `name` says, of that run: of_one_run(). A snapshot of that very step
/// comes first, the newest of them, unless `branch` is not empty: then only its line counts, and
/// without a run it is that of the branch's newest snapshot. `name` may also say "latest", which is
/// the branch's newest one if `branch` is not empty, or a tag. Throws as find_snapshot() and
/// find_line(), Error{bad_request} for a tag with a branch, and Error{not_found} if there is no
/// snapshot at or before the step.
[[nodiscard]] WayBack find_way_back(store::Store& in, const SnapshotName& name,
                                    const std::string& branch, const RunWanted& wanted = {});

/// What a user is told before the job is started: nothing, if there is a snapshot of the step, and
/// none of another run.
[[nodiscard]] std::string announcement(const WayBack& way);
/// Adds log_step and log_branch to a request, where the log is used.
void add_log_to(boost::json::object& request, const WayBack& way);
/// Adds base_step, base_snapshot, log_step, to_step and steps_again to an answer.
void add_to(boost::json::object& answer, const WayBack& way);

}  // namespace cardswap::cli
