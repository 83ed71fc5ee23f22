#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/job_user.h"
#include "agent/snapshots/recovery_point.h"

namespace cardswap::snapshots {

/// Where to look for a snapshot to go on from, and as whom.
struct RecoverySearch {
  std::string job;
  std::vector<std::string> stores;  ///< addresses; the first that has one decides
  std::string protected_store;      ///< to which Lineage::first_snapshot belongs; or empty
  std::uint64_t resume_first = 0;   ///< what Lineage::first_snapshot is of the other stores
  Lineage lineage;
  std::optional<JobUser> user;  ///< whose rights count; nullopt: the agent's
};

/// Finds the newest snapshot of the job that is whole, in a child process that has the rights of
/// the job's user. It reads every byte of each one that it tries, 30 minutes at most in all. A
/// store that cannot be opened is told in RecoveryPoint::damaged. Throws what run_in_child() and
/// the stores throw.
[[nodiscard]] boost::asio::awaitable<RecoveryPoint> find_recovery_point(RecoverySearch search);

}  // namespace cardswap::snapshots
