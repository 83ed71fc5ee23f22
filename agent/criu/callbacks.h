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

/// A tree at the target whose processes' state in a driver was saved at the source.
struct RestoredTree {
  ProcessId root;
  /// Which of its processes, by their numbers in their own PID namespace: those stay the same.
  std::vector<std::uint32_t> saved;
  std::vector<cuda::GpuPair> gpus;  ///< GPUs that are others here
};

/// Functions for the state of a process that CRIU does not know, such as a GPU driver's. The agent
/// calls them around CRIU. An empty member does nothing. `undo`, `before_kill` and `ended` throw
/// nothing; each of the others throws Error, which ends the move.
struct Callbacks {
  using Step = std::function<boost::asio::awaitable<void>(ProcessId root)>;
  /// Gives why something of it is away still; nothing: all is back.
  using Undo = std::function<boost::asio::awaitable<std::optional<Error>>(ProcessId root)>;
  using Save = std::function<boost::asio::awaitable<std::vector<std::uint32_t>>(ProcessId root)>;

  Save before_dump;  ///< the source's tree, which runs and waits; gives RestoredTree::saved
  /// Called before the tree is told that it arrived.
  std::function<boost::asio::awaitable<void>(RestoredTree tree)> after_restore;
  Undo undo;         ///< the source's tree again, which runs: the move was given up
  Step before_kill;  ///< a restored tree that is not to stay
  std::function<void(const ProcessId& root)> ended;  ///< a tree that was killed, on either side
};

}  // namespace cardswap::criu
