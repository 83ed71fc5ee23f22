#pragma once

#include <string>
#include <string_view>

#include "migrator/store/refs.h"

namespace cardswap::cli {

/// The name by which a user chooses a snapshot: "gpt@3400" (the newest of that step), "gpt@latest"
/// or "gpt:TAG".
struct SnapshotName {
  std::string job;
  std::string at;   ///< a step or "latest"; empty: `tag` chooses
  std::string tag;  ///< empty: `at` chooses
};
/// Reads a name. Throws Error{bad_request}.
[[nodiscard]] SnapshotName snapshot_name_from(std::string_view text);

/// Finds the snapshot of that name. Throws Error{not_found}, whose hint lists the steps that the
/// store has, Error{corrupt} if the latest record of the tag is damaged, and as store::refs_of().
[[nodiscard]] store::Ref find_snapshot(store::Store& in, const SnapshotName& name);

}  // namespace cardswap::cli
