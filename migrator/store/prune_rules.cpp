#include "migrator/store/prune_rules.h"

#include <algorithm>

namespace cardswap::store {

std::set<std::string> marked(const Needs& needs, const std::set<std::string>& roots) {
  std::set<std::string> all(roots);
  std::vector<std::string> open(roots.begin(), roots.end());
  while (!open.empty()) {
    const auto found = needs.find(open.back());
    open.pop_back();
    if (found == needs.end()) continue;
    for (const auto& name : found->second) {
      if (all.insert(name).second) open.push_back(name);
    }
  }
  return all;
}

std::vector<std::string> victims(const std::vector<std::string>& objects, const Needs& needs,
                                 const std::set<std::string>& roots,
                                 const std::set<std::string>& surplus,
                                 const std::set<std::string>& trashed) {
  std::set<std::string> staying;
  for (const auto& root : roots) {
    if (!surplus.contains(root) && !trashed.contains(root)) staying.insert(root);
  }
  const auto needed = marked(needs, staying);
  std::vector<std::string> found;
  for (const auto& name : objects) {
    if (!needed.contains(name) && !trashed.contains(name)) found.push_back(name);
  }
  return found;
}

bool may_remove(const TrashBatch& batch, const std::set<std::string>& intents, std::int64_t now_s,
                std::int64_t grace_s) {
  if (!batch.waits || now_s - batch.at_s < grace_s) return false;
  return std::ranges::none_of(*batch.waits,
                              [&](const auto& intent) { return intents.contains(intent); });
}

std::vector<std::string> removable(const TrashBatch& batch, const Needs& needs,
                                   const std::set<std::string>& roots) {
  const auto needed = marked(needs, roots);
  std::vector<std::string> found;
  for (const auto& name : batch.objects) {
    if (!needed.contains(name)) found.push_back(name);
  }
  return found;
}

}  // namespace cardswap::store
