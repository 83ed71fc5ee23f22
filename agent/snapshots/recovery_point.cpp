#include "agent/snapshots/recovery_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "migrator/store/branch_name.h"

namespace cardswap::snapshots {
namespace {

constexpr auto kMain = "main";

/// Adds those of `branch` and `run` up to `number`, the newest first.
void add_back_from(const std::vector<store::Ref>& refs, const std::string& branch,
                   const std::string& run, std::uint64_t number, std::vector<store::Ref>& to) {
  for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
    const bool is_known = std::ranges::find(to, ref->number, &store::Ref::number) != to.end();
    const bool is_its = ref->branch == branch && store::is_of_run(*ref, run);
    if (is_its && ref->number <= number && !is_known) to.push_back(*ref);
  }
}

/// The job's own branch, if it has taken none on it yet; else as for any restore.
std::string branch_after_recovery(const std::vector<store::Ref>& refs, const Lineage& lineage,
                                  const store::Ref& ref) {
  const bool is_origin = to_string(ref.manifest) == lineage.restored_from;
  const bool has_begun = std::ranges::find(refs, lineage.branch, &store::Ref::branch) != refs.end();
  if (is_origin && !lineage.branch.empty() && !has_begun) return lineage.branch;
  return store::branch_after(refs, ref);
}

}  // namespace

std::vector<store::Ref> recovery_candidates(const std::vector<store::Ref>& refs,
                                            const Lineage& lineage) {
  std::vector<store::Ref> found;
  if (refs.empty()) return found;
  const auto branch = lineage.branch.empty() ? std::string(kMain) : lineage.branch;
  add_back_from(refs, branch, lineage.run, refs.back().number, found);
  const auto origin = std::ranges::find_if(refs, [&](const store::Ref& ref) {
    return to_string(ref.manifest) == lineage.restored_from;
  });
  if (origin != refs.end()) {
    add_back_from(refs, origin->branch, origin->run, origin->number, found);
  }
  // Those that do not name their run may be older than the ones of the run it came from.
  std::ranges::sort(found, std::ranges::greater{}, &store::Ref::number);
  return found;
}

RecoveryPoint choose_recovery_point(const store::RefList& list, const Lineage& lineage,
                                    const Examine& examine) {
  RecoveryPoint point;
  point.has_none_at_all = list.last_number == 0 && list.damaged.empty();
  for (const auto& one : list.damaged) {
    point.damaged.push_back(fmt::format("{}: {}", one.object, one.what));
  }
  const auto candidates = recovery_candidates(list.refs, lineage);
  if (candidates.empty() && !list.refs.empty()) {
    point.damaged.push_back(
        fmt::format("{} snapshot{} of its name there, none is of its run and branch: the job "
                    "does not go on from another run's state",
                    list.refs.size(), list.refs.size() == 1 ? " is" : "s are"));
  }
  const auto tries = std::min(candidates.size(), kSnapshotTriesMax);
  for (std::size_t i = 0; i < tries; ++i) {
    const auto& ref = candidates[i];
    const auto wrong = examine(ref);
    if (wrong.empty()) {
      point.ref = ref;
      point.branch = branch_after_recovery(list.refs, lineage, ref);
      break;
    }
    point.damaged.push_back(
        fmt::format("snapshot {} of step {} is damaged: {}", ref.number, ref.step, wrong));
  }
  return point;
}

}  // namespace cardswap::snapshots
