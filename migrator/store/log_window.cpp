#include "migrator/store/log_window.h"

#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/names.h"
#include "migrator/store/refs.h"

namespace cardswap::store {

LogCut cut_of(const std::vector<LogSegment>& segments, std::uint64_t base_step,
              const LogWindow& window, std::uint64_t coming) {
  LogCut cut;
  auto bytes = coming;
  for (const auto& one : segments) bytes += one.bytes;
  const auto newest = segments.empty() ? 0 : segments.back().last;
  for (const auto& one : segments) {
    const bool is_outside = window.steps != 0 && one.last + window.steps <= newest;
    const bool is_too_much = window.bytes != 0 && bytes > window.bytes;
    if (one.last > base_step || !(is_outside || is_too_much)) break;
    ++cut.removable;
    bytes -= one.bytes;
  }
  cut.is_full = window.bytes != 0 && bytes > window.bytes;
  return cut;
}

std::vector<LogSegment> orphans_of(const std::vector<LogSegment>& segments,
                                   const std::set<std::uint64_t>& bases) {
  std::vector<LogSegment> orphans;
  for (const auto& one : segments) {
    if (!bases.empty() && one.last <= *bases.begin()) orphans.push_back(one);
  }
  return orphans;
}

std::size_t remove_orphans(Store& in, const std::string& job) {
  std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>> bases;  // run and branch
  for (const auto& name : list_all(in, refs_prefix(job))) {
    try {
      const auto ref = get_ref(in, name);
      if (is_label(ref.run)) bases[{ref.run, ref.branch}].insert(ref.step);
    } catch (const Error& error) {
      if (is_store_failure(error.code())) throw;
      return 0;  // what it needs is not known
    }
  }
  std::size_t removed = 0;
  for (const auto& [line, steps] : bases) {
    for (const auto& one : orphans_of(log_segments(in, job, line.first, line.second), steps)) {
      in.remove(log_name(job, line.first, one));
      ++removed;
    }
  }
  return removed;
}

}  // namespace cardswap::store
