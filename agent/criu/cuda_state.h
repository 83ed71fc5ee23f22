#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/blocking_calls.h"
#include "agent/base/config.h"
#include "agent/criu/cuda_intents.h"
#include "agent/criu/hooks.h"
#include "agent/criu/preflight.h"

namespace cardswap::criu {

/// The CUDA state of jobs' processes, which CRIU does not know. NVIDIA's driver takes it off the
/// GPUs into the process before a dump, and back onto GPUs after the restore.
///
/// The driver is called on threads of their own; all else is one thread. What is being done to a
/// process is in the journal for as long as it is not over.
class CudaState {
 public:
  CudaState(asio::io_context& context, const Config& config, Journal& journal);

  /// Opens the driver, where a GPU is configured. Call it once, before all else.
  asio::awaitable<void> look();

  /// Why no process's CUDA state is saved or restored here; empty: it is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool usable() const { return driver_ != nullptr; }
  /// The CUDA version of the driver, "13.0". Empty without one.
  [[nodiscard]] std::string version() const;
  [[nodiscard]] bool can_change_gpus() const;

  /// What of this tree's state on GPUs can be moved.
  asio::awaitable<GpuFindings> examine(ProcessId root);

  /// The steps around CRIU; they live as long as this.
  [[nodiscard]] Callbacks hooks();
  /// Trees to which something is being done, or was when a former agent ended: jobs on their way
  /// out and not back yet, copies that were not granted the job.
  [[nodiscard]] std::vector<ProcessId> trees(CudaIntent::Side side) const;

 private:
  using Driver = std::shared_ptr<const cuda::DriverCheckpoint>;
  /// A process of a tree, as the driver sees it.
  struct Process {
    pid_t pid = 0;
    std::optional<cuda::ProcessState> state;
    std::string problem;  ///< why it has none
  };

  asio::awaitable<std::vector<Process>> states_of(ProcessId root, std::chrono::milliseconds limit);
  asio::awaitable<void> advance(cuda::CheckpointIntent intent, std::chrono::milliseconds lock_limit,
                                std::chrono::milliseconds limit);
  asio::awaitable<std::vector<std::uint32_t>> suspend(ProcessId root);
  asio::awaitable<void> resume(RestoredTree tree);
  asio::awaitable<void> bring_back(ProcessId root);
  asio::awaitable<void> suspend_before_kill(ProcessId root);
  void forget(const ProcessId& root);

  asio::io_context& context_;
  const Config& config_;
  CudaIntents intents_;
  Driver driver_;
  std::string problem_ = "not looked for yet";
  BlockingCalls driver_calls_;  // last: its end waits for calls that use the rest
};

}  // namespace cardswap::criu
