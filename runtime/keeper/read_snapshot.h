#pragma once

#include "migrator/store/store.h"
#include "runtime/keeper/snapshot_packing.h"

namespace cardswap {

/// The whole state of the snapshot that `manifest` is of, read into memory; each chunk was held
/// against its id, and all against the root that source and keeper agreed on. Throws
/// Error{not_found, corrupt} that names what is missing or damaged.
[[nodiscard]] CapturedState read_snapshot(store::Store& from, const store::ObjectId& manifest);

}  // namespace cardswap
