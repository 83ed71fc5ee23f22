#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "agent/process/process.h"
#include "migrator/core/descriptor.h"

/// A job's program has a small parent of its own, `cardswap-init keep`, which outlives the agent:
/// it starts the program, waits for it and writes its exit status to a file, where an agent that
/// was restarted meanwhile reads it. The parent runs as the agent's user in its own session.
namespace cardswap {

/// A program and its parent, both just started.
struct Kept {
  ProcessId parent;
  ProcessId program;
  /// If this closes before the word below, as it does when the agent dies, the parent kills the
  /// program and everything that it started.
  Descriptor leash;

  /// Sends the word: from here on the program lives without the agent.
  void let_live();
};

/// Starts a program under a parent of its own. `status`: where its end will be written, in a folder
/// that the program cannot write to unless it runs as the agent's user. Blocks until the program
/// runs. Throws as start_process() does, with its reason.
[[nodiscard]] Kept start_kept(const ProcessSpec& program, const std::filesystem::path& status);

/// The agent's order to cardswap-init, passed in a memfd.
struct KeepOrder {
  ProcessSpec program;  ///< without inherited descriptors
  std::filesystem::path status;
};
[[nodiscard]] std::vector<std::byte> encode(const KeepOrder& order);
/// Throws Error{bad_request}.
[[nodiscard]] KeepOrder keep_order_from(std::span<const std::byte> bytes);

/// Where cardswap-init finds its descriptors.
inline constexpr int kKeepReportFd = 3;
inline constexpr int kKeepOrderFd = 4;
inline constexpr int kKeepLeashFd = 5;

}  // namespace cardswap
