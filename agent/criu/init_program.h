#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/criu/image_dir.h"
#include "agent/process/process.h"
#include "migrator/base/descriptor.h"

/// cardswap-init as the agent sees it. It runs CRIU and does not end with the agent.
namespace cardswap::criu {

/// What cardswap-init is told to dump.
struct DumpOrder {
  std::string criu;
  ProcessId root;
  std::string socket;  ///< "socket:[4711]"
  /// The limit for stopping all of the tree. What CRIU does after that depends on the tree's size,
  /// and cannot be ended early.
  std::uint32_t timeout_s = 5;
  std::filesystem::path log;  ///< of cardswap-init itself
};
/// Returns when the tree is dumped into `images` and stopped. It cannot be ended early: CRIU's code
/// is inside the process meanwhile. Where this process ends before it does, the tree runs on.
/// Throws Error{refused} with CRIU's words; the tree runs on then.
boost::asio::awaitable<void> dump(DumpOrder order, const ImageDir& images);

/// What cardswap-init is told to restore.
struct RestoreOrder {
  std::string criu;
  std::string socket;  ///< as it was dumped
  int socket_fd = -1;  ///< what is to be in its place
  int lifeline = -1;   ///< read end: its other end closed without a word ends the tree
  std::vector<std::string> dumped_logs;
  std::filesystem::path log;      ///< of the job
  std::filesystem::path own_log;  ///< of cardswap-init and CRIU
  std::filesystem::path status;   ///< where its exit status will be
  /// The limit after which the restored tree, as far as it is there, is ended.
  std::chrono::milliseconds limit{5000};
};
/// A restored tree: nothing of it outlives `init`, the first process of its PID namespace.
struct Restored {
  ProcessId root;
  ProcessId init;
};
/// Restores a tree. `init` is set as soon as there is one, for whoever wants to end it meanwhile.
/// Throws Error{refused} with CRIU's words; nothing is left running then.
boost::asio::awaitable<Restored> restore(RestoreOrder order, const ImageDir& images,
                                         ProcessId& init);

/// What cardswap-init reported: pure.
struct Report {
  pid_t init = 0;
  bool ok = false;
  pid_t restored = 0;   ///< as its PID namespace counts
  std::string failure;  ///< CRIU's words
};
[[nodiscard]] Report parse_report(std::string_view text);

}  // namespace cardswap::criu
