#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/store/refs.h"

/// The names of branches. Pure.
namespace cardswap::store {

/// Makes a name that no branch of `refs` has: "from-400", or "from-400-2" and so on.
[[nodiscard]] std::string fresh_branch(const std::vector<Ref>& refs, std::uint64_t step);
/// Chooses the branch of a job that goes on from `ref`, one of `refs`: that of `ref` if this is the
/// newest of its branch, or else a fresh one, because snapshots after it were not of this run.
[[nodiscard]] std::string branch_after(const std::vector<Ref>& refs, const Ref& ref);
/// Throws Error{bad_request} for a text that is no name, and Error{conflict} if `refs` have a
/// branch of that name.
void check_new_branch(const std::vector<Ref>& refs, const std::string& name);

}  // namespace cardswap::store
