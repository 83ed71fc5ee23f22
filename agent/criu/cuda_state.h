#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/blocking_calls.h"
#include "agent/base/config.h"
#include "agent/criu/cuda_intents.h"
#include "agent/criu/driver_state_callbacks.h"
#include "agent/criu/facts/gpu_findings.h"

namespace cardswap::criu {

/// Moves the CUDA state of jobs' processes, which CRIU does not know. NVIDIA's driver copies it
/// from the GPUs into the process before a dump, and back onto GPUs after the restore.
///
/// The driver is called on separate threads; everything else is on the agent's thread. The journal
/// has a CudaIntent for each process until its change is over. A driver call that exceeds its limit
/// goes on alone, and no other call changes that process meanwhile. The destructor waits for calls
/// under way.
class CudaState {
 public:
  /// Time limits of driver calls, each from its begin.
  struct Limits {
    /// The limit of a question for the states of a tree. A driver that exceeds it is not used again
    /// by this agent (problem()).
    std::chrono::milliseconds ask = std::chrono::seconds(10);
    /// The limit of a copy between device memory and host memory.
    std::chrono::milliseconds move = std::chrono::minutes(10);
    std::chrono::milliseconds suspend_before_kill = std::chrono::seconds(20);
    /// How long a failed return of state is retried: a GPU that another job uses may become free.
    std::chrono::milliseconds bring_back = std::chrono::minutes(2);
  };
  /// All references must outlive it. Throws what CudaIntents throws.
  CudaState(asio::io_context& context, const Config& config, Journal& journal)
      : CudaState(context, config, journal, Limits()) {}
  CudaState(asio::io_context& context, const Config& config, Journal& journal, Limits limits);

  /// Opens the driver if a GPU is configured or a former agent left intents; takes 30 s at most.
  /// Call it once, before all others. A failure becomes problem().
  asio::awaitable<void> probe();

  /// Why CUDA state cannot be saved or restored here; empty: it can.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool is_usable() const { return driver_ != nullptr; }
  /// The CUDA version of the driver, "13.0". Empty without a driver.
  [[nodiscard]] std::string version() const;
  /// Whether the driver can restore a process on another GPU than its own.
  [[nodiscard]] bool can_change_gpus() const;

  /// Finds which CUDA state of this tree can be moved. A driver that does not answer is a finding
  /// too: `no_driver`.
  asio::awaitable<GpuFindings> examine(ProcessId root);

  /// The functions around CRIU; this object must outlive them. Ask again after probe().
  [[nodiscard]] DriverStateCallbacks callbacks();
  /// The roots of trees that have intents, also of a former agent: at the source, jobs that leave
  /// and do not have their state back; at the target, copies that were not granted the job.
  [[nodiscard]] std::vector<ProcessId> trees(CudaIntent::Side side) const;

 private:
  using Driver = std::shared_ptr<const cuda::DriverCheckpoint>;
  /// A process of a tree, as the driver sees it.
  struct Process {
    pid_t pid = 0;
    std::optional<cuda::ProcessState> state;
    std::string problem;  ///< why it has no state
  };

  asio::awaitable<std::vector<Process>> states_of(ProcessId root, std::chrono::milliseconds limit);
  asio::awaitable<void> advance(cuda::CheckpointIntent intent, std::chrono::milliseconds lock_limit,
                                std::chrono::milliseconds limit);
  asio::awaitable<std::vector<std::uint32_t>> suspend(ProcessId root);
  asio::awaitable<void> wake(RestoredTree tree);
  asio::awaitable<std::optional<Error>> bring_back(ProcessId root);
  [[nodiscard]] bool is_under_way(const ProcessId& process);
  asio::awaitable<void> suspend_before_kill(ProcessId root);
  void forget(const ProcessId& root);

  asio::io_context& context_;
  const Config& config_;
  const Limits limits_;
  CudaIntents intents_;
  Driver driver_;
  std::string problem_ = "not looked for yet";
  /// Calls that change a process's state, each with a token that the call owns while it runs.
  std::vector<std::pair<ProcessId, std::weak_ptr<const void>>> under_way_;
  // Last: their destructors wait for calls that use the other members. Two, so that no question
  // waits behind moves, which take long.
  BlockingCalls questions_;
  BlockingCalls moves_;
};

}  // namespace cardswap::criu
