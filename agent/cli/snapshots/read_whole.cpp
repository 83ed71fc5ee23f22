#include "agent/cli/snapshots/read_whole.h"

#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::cli {

std::vector<store::Damage> read_whole(store::Store& in, const store::PackCatalog& catalog,
                                      const store::Ref& ref, store::Verification& shared) {
  try {
    return store::SnapshotReader(in, catalog, ref).verify({}, &shared);
  } catch (const Error& error) {
    if (store::is_store_failure(error.code())) throw;
    return {{store::manifest_name(ref.manifest), error.failure()}};
  }
}

}  // namespace cardswap::cli
