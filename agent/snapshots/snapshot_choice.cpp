#include "agent/snapshots/snapshot_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "agent/base/units.h"
#include "migrator/store/branch_name.h"

namespace cardswap::snapshots {
namespace {

constexpr auto kMain = "main";

/// Adds the line of `tip` to `all`, but for what `all` has already.
void add_line(const std::vector<store::Ref>& refs, const store::Ref& tip,
              const store::ParentOf& parent_of, std::vector<store::Ref>& all) {
  for (auto& ref : store::line_of(refs, tip, parent_of)) {
    const bool is_known = std::ranges::find(all, ref.number, &store::Ref::number) != all.end();
    if (!is_known) all.push_back(std::move(ref));
  }
}

/// The job's own branch, if it has taken none on it yet; else as for any restore.
std::string branch_after_recovery(const std::vector<store::Ref>& refs, const JobLine& job,
                                  const store::Ref& ref) {
  const bool is_origin = to_string(ref.manifest) == job.restored_from;
  const bool has_begun = std::ranges::find(refs, job.branch, &store::Ref::branch) != refs.end();
  if (is_origin && !job.branch.empty() && !has_begun) return job.branch;
  return store::branch_after(refs, ref);
}

}  // namespace

std::vector<store::Ref> line_of_job(const std::vector<store::Ref>& refs, const JobLine& job,
                                    const store::ParentOf& parent_of) {
  const auto branch = job.branch.empty() ? std::string(kMain) : job.branch;
  const auto newest = std::find_if(refs.rbegin(), refs.rend(), [&](const store::Ref& ref) {
    return ref.branch == branch && store::is_of_run(ref, job.run);
  });
  // Beside the parents: the manifest that names them may be damaged.
  const auto origin = std::ranges::find_if(
      refs, [&](const store::Ref& ref) { return to_string(ref.manifest) == job.restored_from; });
  std::vector<store::Ref> found;
  if (newest != refs.rend()) add_line(refs, *newest, parent_of, found);
  if (origin != refs.end()) add_line(refs, *origin, parent_of, found);
  std::ranges::sort(found, std::ranges::greater{}, &store::Ref::number);
  return found;
}

SnapshotChoice choose_snapshot(const store::RefList& list, const JobLine& job,
                               const Examine& examine, const store::ParentOf& parent_of) {
  SnapshotChoice choice;
  choice.has_none_at_all = list.last_number == 0 && list.damaged.empty();
  for (const auto& one : list.damaged) {
    choice.passed_over.push_back(fmt::format("{}: {}", one.object, one.what));
  }
  const auto line = line_of_job(list.refs, job, parent_of);
  if (line.empty() && !list.refs.empty()) {
    choice.passed_over.push_back(
        fmt::format("{} of its name {} there, none is of its run and branch: the job does not go "
                    "on from another run's state",
                    counted(list.refs.size(), "snapshot"), list.refs.size() == 1 ? "is" : "are"));
  }
  const auto tries = std::min(line.size(), kSnapshotTriesMax);
  for (std::size_t i = 0; i < tries; ++i) {
    const auto& ref = line[i];
    const auto wrong = examine(ref);
    if (wrong.empty()) {
      choice.ref = ref;
      choice.branch = branch_after_recovery(list.refs, job, ref);
      break;
    }
    choice.passed_over.push_back(
        fmt::format("snapshot {} of step {} is damaged: {}", ref.number, ref.step, wrong));
  }
  return choice;
}

}  // namespace cardswap::snapshots
