#include "migrator/store/prune_rules.h"

#include <string_view>

#include "migrator/store/read_intent.h"

namespace cardswap::store {
namespace {

bool is_readers(const std::string& intent) {
  return is_reader(std::string_view(intent).substr(intent.rfind('/') + 1));
}

bool are_readers_late(const TrashBatch& batch, std::int64_t now_s) {
  return now_s - batch.at_s >= kReadSecondsMax;
}

std::vector<std::string> those_there(const TrashBatch& batch,
                                     const std::set<std::string>& intents) {
  std::vector<std::string> there;
  for (const auto& intent : batch.waits.value_or(std::vector<std::string>())) {
    if (intents.contains(intent)) there.push_back(intent);
  }
  return there;
}

}  // namespace

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
  return waited_for(batch, intents, now_s).empty();
}

std::vector<std::string> waited_for(const TrashBatch& batch, const std::set<std::string>& intents,
                                    std::int64_t now_s) {
  auto waits = those_there(batch, intents);
  if (are_readers_late(batch, now_s)) std::erase_if(waits, is_readers);
  return waits;
}

std::vector<std::string> overdue_readers(const TrashBatch& batch,
                                         const std::set<std::string>& intents, std::int64_t now_s) {
  if (!are_readers_late(batch, now_s)) return {};
  auto late = those_there(batch, intents);
  std::erase_if(late, [](const auto& intent) { return !is_readers(intent); });
  return late;
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
