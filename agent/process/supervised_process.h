#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>

#include "agent/process/process.h"
#include "migrator/base/descriptor.h"

/// A job's program has a small parent of its own, `cardswap-init supervise`, which outlives the
/// agent: it starts the program, waits for it and writes its exit status to a file, where an agent
/// that was restarted meanwhile reads it. The parent runs as the agent's user in its own session.
namespace cardswap {

/// A program and its parent, both just started.
struct SupervisedProcess {
  ProcessId parent;
  ProcessId program;
  /// The line to the parent. If it closes before the word below, as it does when the agent dies,
  /// the parent kills the program and everything that it started.
  Descriptor lifeline;

  /// Sends the word: from here on the program lives without the agent.
  void let_live();
};

/// Starts a program under a parent of its own. `status`: where its end will be written, in a folder
/// that the program cannot write to unless it runs as the agent's user. Returns when the program
/// runs. Whoever owns the program can hold that up for 8 seconds at most; the agent goes on
/// meanwhile. Throws as start_process() does, with its reason. Nothing runs after a throw or a
/// cancellation.
[[nodiscard]] boost::asio::awaitable<SupervisedProcess> start_supervised(
    ProcessSpec program, std::filesystem::path status);

}  // namespace cardswap
