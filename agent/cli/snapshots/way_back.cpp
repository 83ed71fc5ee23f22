#include "agent/cli/snapshots/way_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"
#include "migrator/store/log_index.h"

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

/// Where the line of a run that is wanted ends.
const store::Ref* tip_of(const std::vector<store::Ref>& refs, const RunWanted& wanted) {
  const auto found = std::find_if(refs.rbegin(), refs.rend(), [&](const store::Ref& ref) {
    return store::is_of_run(ref, wanted.run) || to_string(ref.manifest) == wanted.restored_from;
  });
  return found == refs.rend() ? nullptr : &*found;
}

Error none_there(const std::string& job, const std::string& branch) {
  return {Code::not_found,
          fmt::format("there is no snapshot of job {}{} in that store", job,
                      branch.empty() ? "" : " on branch " + branch),
          "`cardswap history` lists what there is"};
}

}  // namespace

std::vector<store::Ref> of_one_run(const std::vector<store::Ref>& refs, const RunWanted& wanted,
                                   const store::ParentOf& parent_of) {
  const auto* tip = tip_of(refs, wanted);
  if (tip == nullptr) return {};
  const auto is_of_tip = [&](const store::Ref& ref) { return store::is_of_run(ref, tip->run); };
  if (std::ranges::all_of(refs, is_of_tip)) return refs;
  const auto line = store::line_of(refs, *tip, parent_of);
  auto own = refs;
  std::erase_if(own, [&](const store::Ref& ref) {
    return !ref.run.empty() && std::ranges::find(line, ref.run, &store::Ref::run) == line.end();
  });
  return own;
}

std::vector<store::Ref> find_line_of(store::Store& in, const store::Ref& tip) {
  return store::line_of(store::refs_of(in, tip.job).refs, tip,
                        [&](const store::Ref& ref) { return store::parent_in(in, ref); });
}

std::vector<store::Ref> find_line(store::Store& in, const std::string& job,
                                  const std::string& branch) {
  const auto refs = store::refs_of(in, job).refs;
  const auto* tip = newest_of(refs, branch);
  if (tip == nullptr) throw none_there(job, branch);
  return store::line_of(refs, *tip,
                        [&](const store::Ref& ref) { return store::parent_in(in, ref); });
}

WayBack find_way_back(store::Store& in, const SnapshotName& name, const std::string& branch,
                      const RunWanted& wanted) {
  const auto step = number_in<std::uint64_t>(name.at);
  if (!branch.empty() && !name.tag.empty()) {
    throw Error(Code::bad_request, "--of-branch goes with a step or with @latest",
                "a tag names one snapshot");
  }
  if (!step && branch.empty()) {
    const auto ref = find_snapshot(in, name);
    return {ref, ref.step};
  }
  const auto all = store::refs_of(in, name.job).refs;
  if (!step) {
    const auto* newest = newest_of(all, branch);
    if (newest == nullptr) throw none_there(name.job, branch);
    return {*newest, newest->step};
  }
  if (branch.empty() && all.empty()) (void)find_snapshot(in, name);  // says that there is none
  const bool is_any_run = wanted.run.empty() && !branch.empty();
  const auto own = is_any_run ? all : of_one_run(all, wanted, [&](const store::Ref& ref) {
    return store::known_parent_in(in, ref);
  });
  const auto of_others = all.size() - own.size();
  if (own.empty() && of_others != 0) {
    throw Error(Code::not_found,
                fmt::format("there is no snapshot of this run of job {} in that store: {} of its "
                            "name {} of other runs",
                            name.job, of_others, of_others == 1 ? "is" : "are"),
                "`cardswap history` lists them; `cardswap restore` goes on from one of them");
  }
  const auto* exact = branch.empty() ? exact_of(own, *step) : nullptr;
  if (exact != nullptr) return {*exact, *step, of_others};
  const auto* tip = branch.empty() ? tip_of(own, wanted) : newest_of(own, branch);
  if (tip == nullptr) throw none_there(name.job, branch);
  const auto line =
      store::line_of(all, *tip, [&](const store::Ref& ref) { return store::parent_in(in, ref); });
  const auto base = store::base_in(line, *step);
  if (base) {
    WayBack way{*base, *step, of_others};
    // On another branch the log of the base leads elsewhere.
    if (base->branch == tip->branch && *step > base->step) {
      const auto reach = store::log_reach(in, *base, base->branch, *step, false);
      if (reach.step > base->step) way.log_step = reach.step;
    }
    return way;
  }
  throw Error(Code::not_found,
              fmt::format("there is no snapshot of job {} at or before step {} on branch {}: the "
                          "oldest is of step {}",
                          name.job, *step, line.front().branch, line.back().step),
              "`cardswap history` lists them; a step before the first snapshot is reached by "
              "starting the program anew with `cardswap run --hold-at`");
}

std::string announcement(const WayBack& way) {
  std::string told;
  if (way.of_others != 0) {
    told =
        fmt::format("job {}: {} of that name {} of other runs, and not looked at\n", way.base.job,
                    counted(way.of_others, "snapshot"), way.of_others == 1 ? "is" : "are");
  }
  if (way.log_step != 0) {
    told += fmt::format(
        "job {}: of step {} there is no snapshot; from that of step {} (number {}, branch {}) the "
        "gradient log leads to step {}\n",
        way.base.job, way.step, way.base.step, way.base.number, way.base.branch, way.log_step);
    if (way.steps_again() == 0) return told;
    return told + fmt::format("job {}: {} after that {} taken again, without effects\n",
                              way.base.job, counted(way.steps_again(), "step"),
                              way.steps_again() == 1 ? "is" : "are");
  }
  if (way.steps_again() == 0) return told;
  return told + fmt::format(
                    "job {}: of step {} there is no snapshot; from that of step {} (number {}, "
                    "branch {}) {} {} taken again, without effects\n",
                    way.base.job, way.step, way.base.step, way.base.number, way.base.branch,
                    counted(way.steps_again(), "step"), way.steps_again() == 1 ? "is" : "are");
}

void add_log_to(boost::json::object& request, const WayBack& way) {
  if (way.log_step == 0) return;
  request["log_step"] = way.log_step;
  request["log_branch"] = way.base.branch;
}

void add_to(boost::json::object& answer, const WayBack& way) {
  answer["base_step"] = way.base.step;
  answer["base_snapshot"] = way.base.number;
  answer["log_step"] =
      way.log_step == 0 ? boost::json::value(nullptr) : boost::json::value(way.log_step);
  answer["to_step"] = way.step;
  answer["steps_again"] = way.steps_again();
}

}  // namespace cardswap::cli
