#include "migrator/store/job_retention.h"

#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/manifest.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"

namespace cardswap::store {

JobSurplus surplus_in(Store& store, const std::string& job, const KeepRule& rule,
                      const IsVerified& is_verified) {
  JobSurplus surplus;
  auto list = refs_of(store, job);
  surplus.damaged = std::move(list.damaged);
  std::set<std::uint64_t> tagged;
  const auto tags = tags_of(store, job);
  surplus.damaged.insert(surplus.damaged.end(), tags.damaged.begin(), tags.damaged.end());
  for (const auto& tag : tags.tags) tagged.insert(tag.number);
  std::vector<SnapshotCandidate> snapshots;
  for (const auto& ref : list.refs) {
    const auto name = manifest_name(ref.manifest);
    try {
      const auto manifest = decode_manifest(get_named(store, name, kManifestBytesMax));
      snapshots.push_back({.number = ref.number,
                           .branch = ref.branch,
                           .at_s = manifest.created_s,
                           .verified = is_verified(ref),
                           .pinned = tagged.contains(ref.number)});
    } catch (const Error& error) {
      if (is_store_failure(error.code())) throw;
      surplus.damaged.push_back({name, error.failure()});
    }
  }
  if (!surplus.damaged.empty()) return surplus;
  for (const auto number : surplus_of(snapshots, rule)) surplus.numbers.insert(number);
  return surplus;
}

}  // namespace cardswap::store
