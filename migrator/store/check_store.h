#pragma once

#include <vector>

#include "migrator/store/refs.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// Reads every object of the store, also those to which nothing refers, and checks it against its
/// name and against the objects that it needs. Returns what is damaged, and which objects of
/// snapshots lack something; empty: nothing is and none does. What no snapshot needs may lack
/// something: a prune removes it. Does not check the roots of snapshots: SnapshotReader::verify()
/// does, and needs to read no chunk again if it gets the same `shared`. Takes as long as to read
/// the whole store. Without `shared` one thread checks while another one reads ahead. Throws what
/// the store throws, except for objects that are damaged or missing.
[[nodiscard]] std::vector<Damage> check_store(Store& store, Verification* shared = nullptr);

}  // namespace cardswap::store
