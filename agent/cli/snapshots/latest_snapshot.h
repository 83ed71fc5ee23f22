#pragma once

#include <optional>
#include <string>

#include "migrator/store/refs.h"

namespace cardswap::cli {

/// The snapshot from which a job goes on, and the branch of those that it will take.
struct Continuation {
  store::Ref ref;
  std::string branch;
};

/// Finds the latest snapshot of the job in the store at `address`. Nullopt: the store has none, and
/// never had: the job begins at its first step. Throws Error{corrupt} if there is one that cannot
/// be read, because a start at the first step would throw away what was trained; and as
/// store::open_store() and store::refs_of(), also if there is no store.
[[nodiscard]] std::optional<Continuation> find_latest(const std::string& address,
                                                      const std::string& job);

}  // namespace cardswap::cli
