#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cardswap::cuda {

/// The state of a process's CUDA side, as the driver reports it. `in_transit`: a change is in
/// progress.
enum class ProcessState : std::uint8_t { running, locked, checkpointed, failed, in_transit };

/// A GPU that a process had, and the GPU that it gets instead, by UUID ("GPU-...").
struct GpuPair {
  std::string from;
  std::string to;
  bool operator==(const GpuPair&) const = default;
};

/// A wanted change of a process's CUDA state. A small value for a journal: write it before you call
/// advance() with it. After a crash of the agent, advance() with the written value goes on from the
/// driver's present state, and undo() goes back.
struct CheckpointIntent {
  /// The wanted state of the process's CUDA side.
  enum class Goal : std::uint8_t {
    suspended,  ///< device memory is copied to the process's host memory, and every GPU released
    running,
  };
  int pid = 0;
  /// The start time of the process in /proc, by which a later process with the same pid is told
  /// apart.
  std::uint64_t started = 0;
  Goal goal = Goal::suspended;
  /// All GPUs of the process, for `running`; empty: it gets the same GPUs again.
  std::vector<GpuPair> gpus;
  bool operator==(const CheckpointIntent&) const = default;
};
/// The intent to suspend that process. Throws Error{not_found} when there is no such process,
/// Error{io} when /proc cannot be read now.
[[nodiscard]] CheckpointIntent suspend_intent(int pid);
[[nodiscard]] std::vector<std::byte> encode(const CheckpointIntent& intent);
/// Throws Error{bad_request}.
[[nodiscard]] CheckpointIntent decode_checkpoint_intent(std::span<const std::byte> bytes);

/// The NVIDIA driver's checkpoint of other processes' CUDA state: stop, and copy through the host's
/// memory. For programs that do not use Cardswap. libcuda is loaded at run time, so this builds and
/// links on hosts without it. Needs CAP_SYS_PTRACE over the process; only one caller at a time for
/// each process. Any thread. Calls block as long as the driver takes, which has no limit.
///
/// Besides the codes named below, calls throw by the driver's result Error{unauthorized} (no
/// CAP_SYS_PTRACE), {not_found, refused, no_memory, conflict, internal}, with a hint for the
/// operator.
class DriverCheckpoint {
 public:
  /// Throws Error{refused} when there is no driver, or one older than 570.
  explicit DriverCheckpoint(const std::string& library = "libcuda.so.1");
  ~DriverCheckpoint();

  /// The CUDA version of the driver: 12080 for driver 570, 13000 for driver 580.
  [[nodiscard]] int version() const;
  /// Whether a process may resume on other GPUs of the same model: from driver 580 on.
  [[nodiscard]] bool can_change_gpus() const;
  /// The process's state now. Throws Error{not_found} for a process without CUDA state.
  [[nodiscard]] ProcessState state(int pid) const;

  /// Goes on until the goal is reached; returns at once if it is. Throws Error{timed_out} if the
  /// process's GPU work does not end within `lock_limit`; the process then goes on running. Throws
  /// Error{not_found} when the process is gone, Error{io} when /proc cannot be read now,
  /// Error{refused} for what the driver cannot do, and Error{bad_request} for a text in
  /// `intent.gpus` that is not a UUID.
  void advance(const CheckpointIntent& intent, std::chrono::milliseconds lock_limit) const;
  /// Brings the process back to running on its own GPUs, from any state between. Throws as
  /// advance().
  void undo(const CheckpointIntent& intent) const;

 private:
  struct Api;
  std::unique_ptr<Api> api_;
};

}  // namespace cardswap::cuda
