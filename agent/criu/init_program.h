#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/criu/image_dir.h"
#include "agent/process/process.h"
#include "migrator/base/descriptor.h"

/// Calls of cardswap-init, which runs CRIU in a process of its own.
namespace cardswap::criu {

/// The order to dump a process tree.
struct DumpOrder {
  std::string criu;
  ProcessId root;
  std::string socket;  ///< "socket:[4711]": the connection to the agent
  /// The time limit for stopping the whole tree. The dump after that takes as long as the tree's
  /// size requires, and cannot be ended early.
  std::uint32_t timeout_s = 5;
  std::filesystem::path log;  ///< cardswap-init's own log
};
/// Dumps a tree into `images`; returns when that is done and the tree is stopped. It cannot be
/// ended early, because CRIU's code is inside the process meanwhile; if the agent ends first, the
/// tree runs on. Throws Error{refused} with CRIU's message, and what start_child() throws; the tree
/// runs on then.
boost::asio::awaitable<void> dump(DumpOrder order, const ImageDir& images);

/// The order to restore a process tree.
struct RestoreOrder {
  std::string criu;
  std::string socket;  ///< ImageManifest::socket
  int socket_fd = -1;  ///< the descriptor that replaces it
  int lifeline = -1;   ///< the read end of a pipe: the tree is killed if that closes without a byte
  std::vector<std::string> dumped_logs;  ///< ImageManifest::logs
  std::filesystem::path log;             ///< the job's log here, which replaces them
  std::filesystem::path own_log;         ///< the log of cardswap-init and CRIU
  std::filesystem::path status;          ///< the file for the job's exit status
  /// The time limit after which a tree that is not restored completely is killed.
  std::chrono::milliseconds limit{5000};
};
/// A restored tree. All of it ends with `init`, the first process of its PID namespace.
struct Restored {
  ProcessId root;
  ProcessId init;
};
/// Restores a tree. `init`, which must outlive the call, is set as soon as that process exists, so
/// that the caller can kill it meanwhile. Throws Error{refused} with CRIU's message,
/// Error{timed_out} after the limit, Error{target_lost} where the tree ends at once, and what
/// start_child() throws; nothing is left running then.
boost::asio::awaitable<Restored> restore(RestoreOrder order, const ImageDir& images,
                                         ProcessId& init);

/// A report of cardswap-init.
struct Report {
  pid_t init = 0;       ///< 0: not reported yet
  bool ok = false;      ///< the order was carried out
  pid_t restored = 0;   ///< the root's pid in its own PID namespace
  std::string failure;  ///< CRIU's message; empty: it has not failed
};
/// Reads a report, of which only the beginning may be there yet. Pure.
[[nodiscard]] Report parse_report(std::string_view text);

}  // namespace cardswap::criu
