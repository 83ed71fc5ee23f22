#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "agent/process/process.h"
#include "cuda/driver_checkpoint.h"
#include "migrator/base/error.h"

namespace cardswap::criu {

/// A restored process tree at the target, some of whose processes had state in a GPU driver that
/// was saved at the source.
struct RestoredTree {
  ProcessId root;
  /// The processes with saved state, by their pids in their own PID namespace, which do not change.
  std::vector<std::uint32_t> saved;
  std::vector<cuda::GpuPair> gpus;  ///< GPUs that another GPU replaces here
};

/// Functions for state of a process that CRIU does not know, such as a GPU driver's. The agent
/// calls them around CRIU, on its thread. An empty member means that there is nothing to do:
/// callers check that, except for `undo` and `ended` of MoveTools::callbacks(), which are always
/// set. `before_dump` and `after_restore` throw Error, which ends the move; the others throw
/// nothing except when the coroutine is cancelled.
struct DriverStateCallbacks {
  using Step = std::function<boost::asio::awaitable<void>(ProcessId root)>;
  /// Returns why some state is not back. Nullopt: all of it is back.
  using Undo = std::function<boost::asio::awaitable<std::optional<Error>>(ProcessId root)>;
  using Save = std::function<boost::asio::awaitable<std::vector<std::uint32_t>>(ProcessId root)>;

  /// Saves the state of the source's tree, which runs and waits; returns RestoredTree::saved.
  Save before_dump;
  /// Restores the state, before the tree is told that it arrived.
  std::function<boost::asio::awaitable<void>(RestoredTree tree)> after_restore;
  /// Gives the source's tree, which runs, its state back: the move was given up.
  Undo undo;
  /// Prepares a restored tree that is not to stay for its end.
  Step before_kill;
  /// Notes that a tree was killed, on either side.
  std::function<void(const ProcessId& root)> ended;
};

}  // namespace cardswap::criu
