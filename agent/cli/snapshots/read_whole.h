#pragma once

#include <vector>

#include "migrator/store/pack_catalog.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::cli {

/// Reads every byte of a snapshot and verifies it; what several snapshots share is read once, by
/// `shared`. Returns what is damaged, its manifest too. Throws when the store cannot be asked: that
/// says nothing about the snapshot.
[[nodiscard]] std::vector<store::Damage> read_whole(store::Store& in,
                                                    const store::PackCatalog& catalog,
                                                    const store::Ref& ref,
                                                    store::Verification& shared);

}  // namespace cardswap::cli
