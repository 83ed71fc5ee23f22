#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cardswap::store {

/// How many snapshots of each branch are kept: the newest ones, and the newest of each of the
/// latest hours and days that have one. 0: none for that reason.
struct KeepRule {
  std::uint32_t last = 5;
  std::uint32_t hourly = 24;
  std::uint32_t daily = 14;
};

/// A snapshot as retention sees it. Order is that of `seq`; steps and times may come again or jump.
struct KeptSnapshot {
  std::uint64_t seq = 0;
  std::string branch;
  std::int64_t at_s = 0;  ///< since 1970: which hour and day it is of, and nothing else
  bool verified = false;  ///< read back whole since it was written
  bool pinned = false;    ///< a tag, a restore or a writer holds on to it
};

/// The snapshots that may go, by `seq`. Whatever the rule says, one goes only if its branch has two
/// newer ones that are verified; so the job's last one never goes, whose number is not to come
/// again. Pure.
[[nodiscard]] std::vector<std::uint64_t> surplus_of(std::span<const KeptSnapshot> snapshots,
                                                    const KeepRule& rule);

}  // namespace cardswap::store
