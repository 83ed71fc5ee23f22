#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>

#include "agent/process/process.h"
#include "migrator/base/descriptor.h"

/// A job's program with a small parent of its own, `cardswap-init supervise`, which outlives the
/// agent: it starts the program, waits for it and writes its exit status to a file, from which an
/// agent that was restarted meanwhile reads it. The parent runs as the agent's user in its own
/// session.
namespace cardswap {

/// A program and its parent, both just started.
struct SupervisedProcess {
  ProcessId parent;
  ProcessId program;
  /// A pipe to the parent. If it closes before let_live(), as it does when the agent dies, the
  /// parent kills the program and everything that the program started.
  Descriptor lifeline;

  /// Lets the program live on without the agent: sends a byte through the lifeline and closes it.
  void let_live();
};

/// Starts a program under a parent of its own; returns when the program runs. `status`: the file
/// for its exit status, in a folder that the program cannot write to unless it runs as the agent's
/// user. Does not block the thread; a slow start is given up after 8 s. Throws what start_process()
/// throws. After an exception or a cancellation nothing of it runs.
[[nodiscard]] boost::asio::awaitable<SupervisedProcess> start_supervised(
    ProcessSpec program, std::filesystem::path status);

}  // namespace cardswap
