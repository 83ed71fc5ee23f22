#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/job_user.h"
#include "agent/snapshots/snapshot_choice.h"

namespace cardswap::snapshots {

/// How much of a snapshot is read before it is chosen. `manifest`: what it is and where its chunks
/// lie; whoever goes on from it proves its bytes. `bytes`: all of it.
enum class SearchDepth : bool { manifest, bytes };

/// Where to look for a snapshot to go on from, and as whom.
struct SnapshotSearch {
  std::string job;
  std::vector<std::string> stores;  ///< addresses; the first that has one decides
  JobLine line;
  std::optional<JobUser> user;  ///< whose rights count; nullopt: the agent's
  SearchDepth depth = SearchDepth::bytes;
};

/// Finds the newest snapshot of the job that is whole, as far as `depth` has it read, in a child
/// process that has the rights of the job's user. With SearchDepth::bytes it reads every byte of
/// each one that it tries, what several have in common once, on all cores behind the trainers, 30
/// minutes at most in all.
///
/// `passed_over` has a text for each store up to the one that decided, with its address before;
/// `has_none_at_all` is of all of them. A store that cannot be opened or read is told there, and
/// the next one decides. Throws what run_in_child() throws.
[[nodiscard]] boost::asio::awaitable<SnapshotChoice> find_snapshot_to_go_on(SnapshotSearch search);

}  // namespace cardswap::snapshots
