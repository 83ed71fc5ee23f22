#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/pack_catalog.h"
#include "migrator/store/prune_rules.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

/// What the objects of a store need of each other: what a prune may remove depends on it, and what
/// a check calls damage.
namespace cardswap::store {

/// The names of the objects that make snapshots, in the order of their bytes.
struct StoreNames {
  std::vector<std::string> packs;
  std::vector<std::string> nodes;
  std::vector<std::string> manifests;
  std::vector<std::string> of_jobs;  ///< refs, tags and intents
};
/// Lists them, packs first and refs last. Throws what the store throws.
[[nodiscard]] StoreNames names_in(Store& store);

/// A store at one time.
struct StoreGraph {
  Needs needs;                    ///< of the objects that could be read
  std::vector<std::string> refs;  ///< those that could be read, in the order of their names
  /// What cannot be read, and which objects of snapshots lack something. What no ref needs may lack
  /// something: its writer was killed, and an earlier prune has removed what nobody needed.
  std::vector<Damage> damaged;
};

/// Reads the nodes, manifests and refs of `names`; the chunks are where `catalog` knows them to be.
/// What another prune removes meanwhile looks as if a snapshot lacked it, so who must know reads
/// again. Throws what the store throws, except for objects that are damaged or missing.
[[nodiscard]] StoreGraph read_graph(Store& store, const StoreNames& names,
                                    const PackCatalog& catalog);

/// Calls `look`, which reads the object of that name. If it cannot be read, that is added to
/// `damaged`, unless the object is gone by then. Throws when the store cannot be asked.
void judge(Store& store, const std::string& name, std::vector<Damage>& damaged,
           const std::function<void()>& look);

}  // namespace cardswap::store
