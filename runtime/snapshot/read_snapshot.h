#pragma once

#include "migrator/store/store.h"
#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// Reads the whole state of the snapshot of `manifest` into memory. Checks each chunk against its
/// id, and the state against the state digest that source and keeper verified. Holds the store's
/// snapshots meanwhile by a ReadIntent; where it cannot put one, standard error says so. Throws
/// Error{not_found, corrupt}, mostly with the object's name in the text, Error{bad_request} for a
/// snapshot of a process that moves whole, Error{no_memory}, and what SnapshotReader throws.
[[nodiscard]] CapturedState read_snapshot(store::Store& from, const store::ObjectId& manifest);

}  // namespace cardswap
