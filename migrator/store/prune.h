#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/refs.h"
#include "migrator/store/retention.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// What a prune is asked for.
struct PruneOrder {
  std::map<std::string, std::set<std::uint64_t>> surplus;  ///< a job's refs that may go
  std::int64_t now_s = 0;
  std::int64_t grace_s = 24 * 3600;
  bool dry_run = false;
};

/// What a prune did, or would do.
struct PruneReport {
  std::vector<std::string> trashed;
  std::vector<std::string> removed;
  std::vector<std::string> waits;  ///< intents that a batch whose grace is over waits for
  /// Objects that cannot be read. While there are any nothing is put into trash and nothing is
  /// removed: what they need is not known.
  std::vector<Damage> damaged;
};

/// Removes what batches in trash have left of their grace, and puts the next batch there. May be
/// ended anywhere and run anew, also by several at once; prune_rules.h says why that is safe.
PruneReport prune(Store& store, const PruneOrder& order);

}  // namespace cardswap::store
