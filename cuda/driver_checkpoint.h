#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cardswap::cuda {

/// The state of a process's CUDA side, as the driver names it.
enum class ProcessState : std::uint8_t { running, locked, checkpointed, failed, in_transit };

/// A GPU that a process had, and the one that it gets in its place; UUIDs, "GPU-...".
struct GpuPair {
  std::string from;
  std::string to;
  bool operator==(const GpuPair&) const = default;
};

/// What a process's CUDA state is being made to do. A small value for a journal: write it down
/// before advance() is called with it; after a crash of the agent, advance() with what was written
/// goes on from wherever the driver is, and undo() leads back.
struct CheckpointIntent {
  /// What is to become of the process's CUDA state.
  enum class Goal : std::uint8_t {
    suspended,  ///< device memory in the process's own host memory, every GPU let go
    running,
  };
  int pid = 0;
  std::uint64_t started =
      0;  ///< /proc's start time of the process: another of its number is not it
  Goal goal = Goal::suspended;
  std::vector<GpuPair> gpus;  ///< for running: every GPU of the process, or none: the same again
  bool operator==(const CheckpointIntent&) const = default;
};
[[nodiscard]] CheckpointIntent suspend_intent(int pid);
[[nodiscard]] std::vector<std::byte> encode(const CheckpointIntent& intent);
/// Throws Error{bad_request}.
[[nodiscard]] CheckpointIntent decode_checkpoint_intent(std::span<const std::byte> bytes);

/// NVIDIA's driver checkpoint of other processes' CUDA state: stop and copy through host memory,
/// for programs that do not know of Cardswap. libcuda is found at run time, so this builds and
/// links where there is none. Needs CAP_SYS_PTRACE over the process, and one caller a process.
/// Calls block for as long as the driver takes; any thread.
class DriverCheckpoint {
 public:
  /// Throws Error{refused} where there is no driver, or one before 570.
  explicit DriverCheckpoint(const std::string& library = "libcuda.so.1");
  ~DriverCheckpoint();

  /// The CUDA version that the driver has: 12080 for 570, 13000 for 580.
  [[nodiscard]] int version() const;
  /// Whether a process may resume on other GPUs of the same model: from driver 580 on.
  [[nodiscard]] bool can_change_gpus() const;
  /// Throws Error{not_found} for a process that has no CUDA state.
  [[nodiscard]] ProcessState state(int pid) const;

  /// Goes on until the goal is reached; returns at once where it is. A process that does not come
  /// to rest within `lock_limit` is Error{timed_out} and goes on running. Throws Error{not_found}
  /// when the process is gone, Error{refused} for what the driver cannot do.
  void advance(const CheckpointIntent& intent, std::chrono::milliseconds lock_limit) const;
  /// Brings the process back to running, on its own GPUs, from wherever `intent` came.
  void undo(const CheckpointIntent& intent) const;

 private:
  struct Api;
  std::unique_ptr<Api> api_;
};

}  // namespace cardswap::cuda
