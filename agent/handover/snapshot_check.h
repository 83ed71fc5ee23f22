#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "agent/process/job_user.h"

namespace cardswap {

/// A snapshot to read, and as whom.
struct SnapshotCheck {
  std::string store;
  std::string manifest;         ///< its id, in hexadecimal
  std::string job;              ///< whose snapshot it must be
  std::optional<JobUser> user;  ///< whose rights count; nullopt: the agent's
};

/// Reads all bytes of the snapshot in a child process, and checks them against their ids and
/// against the state digest that its trainer has confirmed. Takes as long as to read them, 30
/// minutes at most. Throws Error{corrupt, not_found}, whose text names what is damaged or missing,
/// Error{bad_request} for the snapshot of another job, and what run_in_child() and the store throw.
[[nodiscard]] boost::asio::awaitable<void> check_snapshot_whole(SnapshotCheck check);

}  // namespace cardswap
