#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/keep_rule.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// The snapshots of one job that a rule does not keep.
struct JobSurplus {
  std::set<std::uint64_t> numbers;
  /// Objects of the job that cannot be read. If there are any, `numbers` is empty.
  std::vector<Damage> damaged;
};

/// Whether a snapshot was read back as a whole after it was written.
using IsVerified = std::function<bool(const Ref&)>;

/// Reads the job's refs, manifests and tags, and applies `rule` to them by surplus_of(). A snapshot
/// that has a tag is kept. Throws what the store throws, except for objects that are damaged or
/// missing.
[[nodiscard]] JobSurplus surplus_in(Store& store, const std::string& job, const KeepRule& rule,
                                    const IsVerified& is_verified);

/// Whether a published snapshot counts as verified without being read again: always. Its writer
/// reads back each pack that it writes before it publishes the ref, and takes over only chunks that
/// the writer of an earlier snapshot has read back.
[[nodiscard]] inline bool was_read_back_when_written(const Ref& /*ref*/) { return true; }

}  // namespace cardswap::store
