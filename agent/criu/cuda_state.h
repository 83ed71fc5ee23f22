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
#include "agent/criu/callbacks.h"
#include "agent/criu/cuda_intents.h"
#include "agent/criu/facts/preflight.h"

namespace cardswap::criu {

/// Moves the CUDA state of jobs' processes, which CRIU does not know. NVIDIA's driver takes it off
/// the GPUs into the process before a dump, and puts it back onto GPUs after the restore.
///
/// The driver is called on threads of their own; everything else is on one thread. The journal says
/// what is being done to a process until that is over. A call that is late goes on alone, and no
/// other call moves that process's state meanwhile.
class CudaState {
 public:
  /// How long what is asked of the driver may take, from the moment at which it is begun.
  struct Limits {
    std::chrono::milliseconds ask = std::chrono::seconds(10);
    /// Between device memory and the host's.
    std::chrono::milliseconds move = std::chrono::minutes(10);
    std::chrono::milliseconds suspend_before_kill = std::chrono::seconds(20);
    /// GPUs that another job took meanwhile may come free.
    std::chrono::milliseconds bring_back = std::chrono::minutes(2);
  };
  CudaState(asio::io_context& context, const Config& config, Journal& journal)
      : CudaState(context, config, journal, Limits()) {}
  CudaState(asio::io_context& context, const Config& config, Journal& journal, Limits limits);

  /// Opens the driver, where a GPU is configured. Call it once, before all else.
  asio::awaitable<void> probe();

  /// Why no process's CUDA state is saved or restored here; empty: it is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool is_usable() const { return driver_ != nullptr; }
  /// The CUDA version of the driver, "13.0". Empty without one.
  [[nodiscard]] std::string version() const;
  [[nodiscard]] bool can_change_gpus() const;

  /// What of this tree's state on GPUs can be moved.
  asio::awaitable<GpuFindings> examine(ProcessId root);

  /// The steps around CRIU; they live as long as this.
  [[nodiscard]] Callbacks callbacks();
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
  /// Calls that move a process's state, each of which owns what is seen here.
  std::vector<std::pair<ProcessId, std::weak_ptr<const void>>> under_way_;
  // Last: their ends wait for calls that use the rest. Moves take long, and no question waits for
  // them.
  BlockingCalls questions_;
  BlockingCalls moves_;
};

}  // namespace cardswap::criu
