#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/job_user.h"
#include "migrator/store/keep_rule.h"

namespace cardswap::snapshots {

/// What to prune, and as whom.
struct PruneWork {
  std::string store;
  std::string job;
  store::KeepRule keep;
  std::int64_t grace_s = 0;
  /// Writers of snapshots of this job whose processes have ended: an intent that one of them has
  /// left would keep every prune waiting.
  std::vector<std::string> ended_writers;
  std::optional<JobUser> user;  ///< whose rights count; nullopt: the agent's
};

/// What came of it.
struct PruneOutcome {
  std::uint64_t snapshots = 0;  ///< put into trash
  std::uint64_t removed = 0;    ///< objects that are gone
  std::string kept_back_by;     ///< the damage because of which nothing was removed; or empty
};

/// Prunes a job's snapshots in a child process, which has the rights of the job's user: reading a
/// store may take long, and a disk may not answer. Throws what run_in_child() and the store throw.
[[nodiscard]] boost::asio::awaitable<PruneOutcome> prune_in_child(PruneWork work);

}  // namespace cardswap::snapshots
