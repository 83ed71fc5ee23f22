#include "migrator/store/line.h"

#include <algorithm>

#include "migrator/base/error.h"
#include "migrator/store/named_objects.h"

namespace cardswap::store {

std::vector<Ref> line_of(const std::vector<Ref>& refs, const Ref& tip, const ParentOf& parent_of) {
  std::vector<Ref> line;
  const auto* next = &tip;
  while (next != nullptr) {
    const auto from = *next;
    next = nullptr;
    // Of one run those of a branch follow each other, also where those between were pruned.
    bool has_met_other = false;
    for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
      if (ref->branch != from.branch || ref->number > from.number) continue;
      const bool is_its = is_of_run(*ref, from.run);
      has_met_other = has_met_other || !is_its;
      if (has_met_other && ref->run.empty()) break;  // rather the other run's: parents tell
      if (is_its) line.push_back(*ref);
    }
    if (line.empty()) return line;
    const auto oldest = line.back();
    const auto parent = parent_of(oldest);
    const auto found = std::ranges::find_if(refs, [&](const Ref& ref) {
      return !parent.empty() && to_string(ref.manifest) == parent && ref.number < oldest.number;
    });
    if (found != refs.end()) next = &*found;
  }
  return line;
}

std::optional<Ref> base_in(const std::vector<Ref>& line, std::uint64_t step) {
  const auto found = std::ranges::find_if(line, [&](const Ref& ref) { return ref.step <= step; });
  if (found == line.end()) return std::nullopt;
  return *found;
}

std::string parent_in(Store& in, const Ref& ref) {
  const auto parents = get_manifest(in, ref.manifest).parents;
  return parents.empty() ? std::string() : to_string(parents.front());
}

std::string known_parent_in(Store& in, const Ref& ref) {
  try {
    return parent_in(in, ref);
  } catch (const Error& error) {
    if (is_store_failure(error.code())) throw;
    return {};
  }
}

}  // namespace cardswap::store
