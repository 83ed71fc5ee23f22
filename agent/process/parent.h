#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "agent/process/process.h"
#include "migrator/core/descriptor.h"

/// A job's program has a small parent of its own, `cardswap-init keep`, which outlives the agent:
/// it starts the program, waits for it, and writes down how it ended, so that an agent that was
/// away meanwhile learns it. It runs as the agent's user, in a session of its own, and tells nobody
/// anything else.
namespace cardswap {

/// A program and its parent, both just started.
struct Kept {
  ProcessId parent;
  ProcessId program;
  /// Closed without a word, as by the agent's death, the program ends, and all that it started.
  Descriptor leash;

  /// The word: the program lives on its own from here.
  void let_live();
};

/// Starts a program under a parent of its own. `status`: where its end will be written, in a folder
/// that the program cannot write to unless it runs as the agent's user. Blocks until the program
/// runs. Throws as start_process() does, with its reason.
[[nodiscard]] Kept start_kept(const ProcessSpec& program, const std::filesystem::path& status);

/// What the parent is told to do; from agent to cardswap-init through a file in memory.
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
