#pragma once

#include <string>
#include <string_view>

#include "migrator/store/refs.h"

namespace cardswap::cli {

/// A snapshot as people name it: "gpt@3400" (the newest of that step), "gpt@latest", "gpt:TAG".
struct SnapshotName {
  std::string job;
  std::string at;   ///< a step or "latest"; empty: the tag says it
  std::string tag;  ///< or empty
};
/// Throws Error{bad_request}.
[[nodiscard]] SnapshotName snapshot_name_from(std::string_view text);

/// The snapshot of that name. Throws Error{not_found} that says which there are.
[[nodiscard]] store::Ref find_snapshot(store::Store& in, const SnapshotName& name);

}  // namespace cardswap::cli
