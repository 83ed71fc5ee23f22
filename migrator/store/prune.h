#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/keep_rule.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// The options of a prune.
struct PruneOrder {
  std::map<std::string, std::set<std::uint64_t>> surplus;  ///< by job: refs that may be removed
  std::int64_t now_s = 0;                                  ///< seconds since 1970
  std::int64_t grace_s = 24 * 3600;                        ///< how long objects stay in trash
  bool dry_run = false;                                    ///< changes nothing
};

/// What a prune did, or with `dry_run` would do.
struct PruneReport {
  std::vector<std::string> trashed;  ///< objects put into trash
  std::vector<std::string> removed;
  std::vector<std::string> waits;  ///< intents for which a batch waits although its grace is over
  /// Objects that cannot be read. While there are any, nothing is put into trash and nothing is
  /// removed, because it is not known which objects they need.
  std::vector<Damage> damaged;
};

/// Removes the batches in trash whose grace is over, and puts the next batch into trash. It may be
/// killed anywhere and run again, and several may run at once; prune_rules.h says why that is safe.
/// Throws what the store throws, except for objects that cannot be read; Error{corrupt,
/// protocol_mismatch} if a batch in trash cannot be read; and Error{conflict} when another prune
/// has just taken the number of the new batch.
PruneReport prune(Store& store, const PruneOrder& order);

}  // namespace cardswap::store
