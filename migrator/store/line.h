#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "migrator/store/refs.h"

/// Lines of snapshots: those through which a state came to be.
namespace cardswap::store {

/// The first parent of a snapshot's manifest, in hexadecimal; empty: it has none.
using ParentOf = std::function<std::string(const Ref&)>;

/// The snapshots through which the state of `tip` came to be, the newest first: those of its
/// branch and run, then those of the branch on which that one began, up to where it began, and so
/// on. Ends where the parent of the oldest of these is not among `refs`, which are one name's by
/// number: never goes from one run to another that it did not go on from. Pure, but for
/// `parent_of`, which is asked once a branch.
[[nodiscard]] std::vector<Ref> line_of(const std::vector<Ref>& refs, const Ref& tip,
                                       const ParentOf& parent_of);
/// The newest snapshot of a line at or before `step`. Nullopt: there is none.
[[nodiscard]] std::optional<Ref> base_in(const std::vector<Ref>& line, std::uint64_t step);

/// The parent that the snapshot's manifest in a store names, as ParentOf has it. Throws what
/// get_manifest() throws.
[[nodiscard]] std::string parent_in(Store& in, const Ref& ref);
/// The parent as parent_in() finds it, for questions that may be asked also where a manifest is
/// damaged: empty then. Throws only where the store cannot be asked (is_store_failure()).
[[nodiscard]] std::string known_parent_in(Store& in, const Ref& ref);

}  // namespace cardswap::store
