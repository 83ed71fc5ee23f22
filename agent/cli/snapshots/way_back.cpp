#include "agent/cli/snapshots/way_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/text_parts.h"
#include "migrator/base/error.h"
#include "migrator/store/named_objects.h"

namespace cardswap::cli {
namespace {

const store::Ref* newest_of(const std::vector<store::Ref>& refs, const std::string& branch) {
  const auto found = std::find_if(refs.rbegin(), refs.rend(), [&](const store::Ref& ref) {
    return branch.empty() || ref.branch == branch;
  });
  return found == refs.rend() ? nullptr : &*found;
}

const store::Ref* exact_of(const std::vector<store::Ref>& refs, std::uint64_t step) {
  const auto found = std::find_if(refs.rbegin(), refs.rend(),
                                  [&](const store::Ref& ref) { return ref.step == step; });
  return found == refs.rend() ? nullptr : &*found;
}

}  // namespace

std::vector<store::Ref> line_of(const std::vector<store::Ref>& refs, const store::Ref& tip,
                                const ParentOf& parent_of) {
  std::vector<store::Ref> line;
  const auto* next = &tip;
  while (next != nullptr) {
    const auto from = *next;
    next = nullptr;
    // A branch is one run: its snapshots follow each other, also where those between were pruned.
    for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
      if (ref->branch == from.branch && ref->number <= from.number) line.push_back(*ref);
    }
    if (line.empty()) return line;
    const auto oldest = line.back();
    const auto parent = parent_of(oldest);
    const auto found = std::ranges::find_if(refs, [&](const store::Ref& ref) {
      return !parent.empty() && to_string(ref.manifest) == parent && ref.number < oldest.number;
    });
    if (found != refs.end()) next = &*found;
  }
  return line;
}

std::optional<store::Ref> base_in(const std::vector<store::Ref>& line, std::uint64_t step) {
  const auto found =
      std::ranges::find_if(line, [&](const store::Ref& ref) { return ref.step <= step; });
  if (found == line.end()) return std::nullopt;
  return *found;
}

std::vector<store::Ref> find_line_of(store::Store& in, const store::Ref& tip) {
  return line_of(store::refs_of(in, tip.job).refs, tip, [&](const store::Ref& ref) {
    const auto parents = store::get_manifest(in, ref.manifest).parents;
    return parents.empty() ? std::string() : to_string(parents.front());
  });
}

std::vector<store::Ref> find_line(store::Store& in, const std::string& job,
                                  const std::string& branch) {
  const auto refs = store::refs_of(in, job).refs;
  const auto* tip = newest_of(refs, branch);
  if (tip == nullptr) {
    throw Error(Code::not_found,
                fmt::format("there is no snapshot of job {}{} in that store", job,
                            branch.empty() ? "" : " on branch " + branch),
                "`cardswap history` lists what there is");
  }
  return find_line_of(in, *tip);
}

WayBack find_way_back(store::Store& in, const SnapshotName& name, const std::string& branch) {
  const auto step = number_in<std::uint64_t>(name.at);
  if (!step) {
    const auto ref = find_snapshot(in, name);
    return {ref, ref.step};
  }
  if (branch.empty()) {
    const auto refs = store::refs_of(in, name.job).refs;
    if (const auto* exact = exact_of(refs, *step)) return {*exact, *step};
    if (refs.empty()) (void)find_snapshot(in, name);  // says that there is none
  }
  const auto line = find_line(in, name.job, branch);
  const auto base = base_in(line, *step);
  if (base) return {*base, *step};
  throw Error(Code::not_found,
              fmt::format("there is no snapshot of job {} at or before step {} on branch {}: the "
                          "oldest is of step {}",
                          name.job, *step, line.front().branch, line.back().step),
              "`cardswap history` lists them; a step before the first snapshot is reached by "
              "starting the program anew with `cardswap run --hold-at`");
}

std::string announcement(const WayBack& way) {
  if (way.steps_again() == 0) return {};
  return fmt::format(
      "job {}: of step {} there is no snapshot; from that of step {} (number {}, branch {}) {} "
      "step{} taken again, without effects\n",
      way.base.job, way.step, way.base.step, way.base.number, way.base.branch, way.steps_again(),
      way.steps_again() == 1 ? " is" : "s are");
}

void add_to(boost::json::object& answer, const WayBack& way) {
  answer["base_step"] = way.base.step;
  answer["base_snapshot"] = way.base.number;
  answer["to_step"] = way.step;
  answer["steps_again"] = way.steps_again();
}

}  // namespace cardswap::cli
