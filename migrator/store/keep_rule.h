#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cardswap::store {

/// How many snapshots of each branch are kept. A snapshot is kept if one of the three rules keeps
/// it.
struct KeepRule {
  std::uint32_t last = 5;     ///< this many newest snapshots
  std::uint32_t hourly = 24;  ///< the newest one of each of the latest hours that have a snapshot
  std::uint32_t daily = 14;   ///< the newest one of each of the latest days that have a snapshot
};

/// A snapshot, for the decision which are kept. `number` defines the order; times may repeat or
/// jump.
struct SnapshotCandidate {
  std::uint64_t number = 0;
  std::string branch;
  std::int64_t at_s = 0;  ///< seconds since 1970; only tells its hour and day
  bool verified = false;  ///< it was read back as a whole after it was written
  bool pinned = false;    ///< it has a tag: it is always kept
};

/// The snapshots that may be removed, by `number`. Whatever the rule says, a snapshot is removed
/// only if its branch has two newer ones that are verified. So the newest snapshot of a job is
/// never removed, and its number is never given again. Pure.
[[nodiscard]] std::vector<std::uint64_t> surplus_of(std::span<const SnapshotCandidate> snapshots,
                                                    const KeepRule& rule);

}  // namespace cardswap::store
