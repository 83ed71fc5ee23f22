#include "agent/criu/cuda_state.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "agent/process/process_tree.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

using cuda::ProcessState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kOpenMax{30};
constexpr seconds kLockMax{10};     // the job waits at a boundary: its GPUs are soon at rest
constexpr seconds kLastLockMax{2};  // of what is killed anyway
constexpr milliseconds kRetryEvery{250};

BlockingCalls::Late late() {
  return {Error(Code::timed_out, "a call of the NVIDIA driver did not return",
                "the kernel log may say why; the call is still under way"),
          Error(Code::conflict, "too many calls of the NVIDIA driver are under way",
                "the kernel log may say why they do not return")};
}

/// Whether an error may pass: another tool held the process, or its GPUs had no memory left.
bool may_pass(const Error& error) {
  return error.code() == Code::conflict || error.code() == Code::no_memory;
}

}  // namespace

CudaState::CudaState(asio::io_context& context, const Config& config, Journal& journal,
                     Limits limits)
    : context_(context),
      config_(config),
      limits_(limits),
      intents_(journal),
      questions_(context, late()),
      moves_(context, late()) {}

asio::awaitable<void> CudaState::probe() {
  const auto is_gpu = [](const DeviceConfig& device) { return device.kind() == "cuda"; };
  if (config_.libcuda.empty()) {
    problem_ = "cardswapd was started with --libcuda none";
    co_return;
  }
  // A driver that is open holds every GPU of the host: not where nobody needs it.
  if (intents_.all().empty() && std::ranges::none_of(config_.devices, is_gpu)) {
    problem_ = "no cuda device is configured here";
    co_return;
  }
  std::function<Driver()> open = [library = config_.libcuda] {
    return std::make_shared<const cuda::DriverCheckpoint>(library);
  };
  try {
    driver_ = co_await questions_.run(std::move(open), kOpenMax);
    problem_.clear();
  } catch (const Error& error) {
    problem_ = error.what();
  }
  // Copies of jobs that a former agent restored end with it; their intents with them.
  auto left = intents_.all();
  for (const auto& intent : left) {
    if (!may_be_alive({intent.what.pid, intent.what.started})) intents_.remove(intent);
  }
}

std::string CudaState::version() const {
  if (!driver_) return {};
  return fmt::format("{}.{}", driver_->version() / 1000, driver_->version() % 1000 / 10);
}

bool CudaState::can_change_gpus() const { return driver_ && driver_->can_change_gpus(); }

asio::awaitable<std::vector<CudaState::Process>> CudaState::states_of(ProcessId root,
                                                                      milliseconds limit) {
  if (!driver_) throw Error(Code::refused, problem_);
  std::function<std::vector<Process>()> ask = [driver = driver_, tree = tree_of(root)] {
    std::vector<Process> result;
    for (const auto pid : tree) {
      Process process;
      process.pid = pid;
      try {
        process.state = driver->state(pid);
      } catch (const Error& error) {
        process.problem = error.failure();
      }
      result.push_back(std::move(process));
    }
    return result;
  };
  std::optional<Error> failed;
  std::vector<Process> result;
  try {
    result = co_await questions_.run(std::move(ask), limit);
  } catch (const Error& error) {
    failed = error;
  }
  if (!failed) co_return result;
  // The one code of a question that was begun and did not return.
  if (failed->code() != Code::timed_out) throw Error(*failed);
  // It hangs, and holds up nobody else: jobs without GPUs may leave a host with a sick driver.
  if (driver_) {
    problem_ =
        "the NVIDIA driver did not say in time what CUDA state a process has; restart the "
        "agent when it answers again";
    spdlog::error("{}", problem_);
    driver_.reset();
  }
  throw Error(failed->code(), problem_);
}

asio::awaitable<void> CudaState::advance(cuda::CheckpointIntent intent, milliseconds lock_limit,
                                         milliseconds limit) {
  if (!driver_) throw Error(Code::refused, problem_);
  const ProcessId process{intent.pid, intent.started};
  if (is_under_way(process)) {
    throw Error(
        Code::conflict,
        fmt::format("a call of the NVIDIA driver for process {} is still under way", process.pid),
        "the kernel log may say why it does not return");
  }
  const auto begun = std::make_shared<char>();
  under_way_.emplace_back(process, begun);
  std::function<void()> move = [driver = driver_, intent = std::move(intent), lock_limit, begun] {
    driver->advance(intent, lock_limit);
  };
  co_await moves_.run(std::move(move), limit);
}

/// Whether a driver call still changes the process. A second call with another goal would undo it.
bool CudaState::is_under_way(const ProcessId& process) {
  std::erase_if(under_way_, [](const auto& one) { return one.second.expired(); });
  return std::ranges::any_of(under_way_, [&](const auto& one) { return one.first == process; });
}

asio::awaitable<GpuFindings> CudaState::examine(ProcessId root) {
  GpuFindings findings;
  findings.no_driver = problem_;
  if (!driver_) co_return findings;
  try {
    auto found = co_await states_of(root, limits_.ask);
    for (auto& process : found) {
      if (!process.state) {
        findings.without_state.emplace(process.pid, std::move(process.problem));
      } else if (*process.state == ProcessState::running) {
        findings.saved.insert(process.pid);
      } else {
        findings.reasons.push_back(fmt::format(
            "process {} is {} by NVIDIA's driver checkpoint: another tool is at work on it, or was",
            process.pid, *process.state == ProcessState::failed ? "given up" : "held"));
      }
    }
  } catch (const Error& error) {
    findings.no_driver = error.failure();
  }
  co_return findings;
}

DriverStateCallbacks CudaState::callbacks() {
  DriverStateCallbacks callbacks;
  if (driver_) {
    callbacks.before_dump = [this](ProcessId root) { return suspend(root); };
    callbacks.before_kill = [this](ProcessId root) { return suspend_before_kill(root); };
  }
  callbacks.after_restore = [this](RestoredTree tree) { return wake(std::move(tree)); };
  callbacks.undo = [this](ProcessId root) { return bring_back(root); };
  callbacks.ended = [this](const ProcessId& root) { forget(root); };
  return callbacks;
}

std::vector<ProcessId> CudaState::trees(CudaIntent::Side side) const {
  std::vector<ProcessId> roots;
  for (const auto& intent : intents_.all()) {
    if (intent.side != side) continue;
    if (std::ranges::find(roots, intent.root) == roots.end()) roots.push_back(intent.root);
  }
  return roots;
}

/// The intents stay until the move is over, for an agent that is restarted meanwhile.
asio::awaitable<std::vector<std::uint32_t>> CudaState::suspend(ProcessId root) {
  std::vector<std::uint32_t> saved;
  if (!driver_) co_return saved;  // it went: CRIU refuses whoever has a GPU open
  const auto found = co_await states_of(root, limits_.ask);
  for (const auto& process : found) {
    if (!process.state) continue;
    const CudaIntent intent{CudaIntent::Side::source, root, cuda::suspend_intent(process.pid)};
    intents_.put(intent);
    co_await advance(intent.what, kLockMax, limits_.move);
    saved.push_back(static_cast<std::uint32_t>(innermost_pid_of(process.pid)));
  }
  co_return saved;
}

asio::awaitable<void> CudaState::wake(RestoredTree tree) {
  if (!driver_) {
    throw Error(Code::refused,
                "the process has CUDA state, and nothing here restores it: " + problem_);
  }
  for (const auto number : tree.saved) {
    const auto all = tree_of(tree.root);
    const auto found = std::ranges::find_if(
        all, [&](pid_t pid) { return std::cmp_equal(innermost_pid_of(pid), number); });
    if (found == all.end()) {
      throw Error(Code::target_lost,
                  fmt::format("process {} of the job, which has CUDA state, is gone", number));
    }
    CudaIntent intent{CudaIntent::Side::target, tree.root, cuda::suspend_intent(*found)};
    intent.what.goal = cuda::CheckpointIntent::Goal::running;
    intent.what.gpus = tree.gpus;
    intents_.put(intent);
    co_await advance(intent.what, {}, limits_.move);
    intents_.remove(intent);
  }
}

/// Resumes the processes in the reverse order of suspend(). Waits for calls under way, because they
/// may be the ones that this undoes.
asio::awaitable<std::optional<Error>> CudaState::bring_back(ProcessId root) {
  std::optional<Error> held;
  const auto left = intents_.of(root);
  for (auto intent : left | std::views::reverse) {
    const ProcessId process{intent.what.pid, intent.what.started};
    intent.what.goal = cuda::CheckpointIntent::Goal::running;
    intent.what.gpus.clear();
    std::optional<Error> failed;
    const auto until = Clock::now() + limits_.bring_back;
    for (bool again = may_be_alive(process); again;) {
      failed.reset();
      try {
        co_await advance(intent.what, {}, limits_.move);
      } catch (const Error& error) {
        failed = error;
      }
      again = failed && may_pass(*failed) && may_be_alive(process) && Clock::now() < until;
      if (again) co_await pause_for(kRetryEvery);
    }
    if (failed && may_be_alive(process)) {
      held = Error(failed->code(),
                   fmt::format("the CUDA state of process {} could not be brought back, and its "
                               "CUDA calls wait: {}",
                               process.pid, failed->failure()),
                   "restart the agent to try again, or stop the job");
      spdlog::error("{}", held->what());
      continue;
    }
    intents_.remove(intent);
  }
  co_return held;
}

/// Takes the process's state off its GPUs: a process that is killed while it has GPUs can leave
/// them unusable.
asio::awaitable<void> CudaState::suspend_before_kill(ProcessId root) {
  std::vector<Process> found;
  if (!driver_) co_return;
  try {
    found = co_await states_of(root, limits_.ask);
  } catch (const Error& error) {
    spdlog::warn("process {}, before it is killed: {}", root.pid, error.what());
  }
  for (const auto& process : found) {
    if (!process.state || *process.state == ProcessState::failed) continue;
    try {
      const CudaIntent intent{CudaIntent::Side::target, root, cuda::suspend_intent(process.pid)};
      try {
        intents_.put(intent);
      } catch (const Error& disk) {  // without it an agent that comes next kills it as it is
        spdlog::warn("process {}: {}", process.pid, disk.what());
      }
      co_await advance(intent.what, kLastLockMax, limits_.suspend_before_kill);
    } catch (const Error& error) {
      spdlog::warn("process {} is killed while it has CUDA state: {}", process.pid, error.what());
    }
  }
}

void CudaState::forget(const ProcessId& root) {
  for (const auto& intent : intents_.of(root)) intents_.remove(intent);
}

}  // namespace cardswap::criu
