#include "cuda/driver_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "cuda/driver_api.h"
#include "cuda/library.h"
#include "migrator/base/error.h"
#include "migrator/base/hex.h"
#include "migrator/base/process_stat.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap::cuda {
namespace {

using namespace driver;  // NOLINT: its numbers

constexpr std::size_t kPairBytesMin = 2 * sizeof(std::uint32_t);

/// 0: there is no such process.
std::uint64_t start_of(int pid) {
  const auto stat = process_stat_of(pid);
  return stat ? stat->start_time : 0;
}

CUuuid uuid_from(const std::string& text) {
  CUuuid uuid{};
  std::string digits;
  if (text.starts_with("GPU-")) {
    std::ranges::copy_if(text.substr(4), std::back_inserter(digits),
                         [](char c) { return c != '-'; });
  }
  if (!from_hex(digits, std::as_writable_bytes(std::span(uuid.bytes)))) {
    throw Error(Code::bad_request, fmt::format("'{}' is no GPU's UUID", text),
                "`nvidia-smi -L` lists them");
  }
  return uuid;
}

[[noreturn]] void fail(CUresult result, const char* call, int pid) {
  const auto failure = fmt::format("{} of process {}: error {}", call, pid, result);
  switch (result) {
    case kNotReady:
      throw Error(Code::timed_out, failure, "the process did not come to rest; it goes on running");
    case kOutOfMemory:
      throw Error(Code::no_memory, failure,
                  "its GPUs' memory goes to the host's and back: both must have room");
    case kNotInitialized: throw Error(Code::not_found, failure, "the process has no CUDA state");
    case kOperatingSystem:
      throw Error(Code::unauthorized, failure,
                  "it needs CAP_SYS_PTRACE, and no debugger at the process");
    case kNotSupported:
      throw Error(Code::refused, failure, "this driver or platform cannot checkpoint");
    case kIllegalState:
      throw Error(Code::conflict, failure, "somebody else checkpoints this process too");
    default: throw Error(Code::internal, failure, "the kernel log may say what the driver met");
  }
}

}  // namespace

struct DriverCheckpoint::Api {
  explicit Api(const std::string& name) : library(name) {}

  const Library library;
  int version = 0;
  CUresult (*init)(unsigned) = nullptr;
  CUresult (*driver_version)(int*) = nullptr;
  CUresult (*get_state)(int, CUprocessState*) = nullptr;
  CUresult (*lock)(int, CUcheckpointLockArgs*) = nullptr;
  CUresult (*checkpoint)(int, CUcheckpointCheckpointArgs*) = nullptr;
  CUresult (*restore)(int, CUcheckpointRestoreArgs*) = nullptr;
  CUresult (*unlock)(int, CUcheckpointUnlockArgs*) = nullptr;
};

CheckpointIntent suspend_intent(int pid) {
  CheckpointIntent intent;
  intent.pid = pid;
  intent.started = start_of(pid);
  if (intent.started == 0) {
    throw Error(Code::not_found, fmt::format("there is no process {}", pid));
  }
  return intent;
}

std::vector<std::byte> encode(const CheckpointIntent& intent) {
  wire::WireWriter writer;
  writer.u32(static_cast<std::uint32_t>(intent.pid)).u64(intent.started);
  writer.u8(static_cast<std::uint8_t>(intent.goal));
  writer.u32(static_cast<std::uint32_t>(intent.gpus.size()));
  for (const auto& gpu : intent.gpus) writer.string(gpu.from).string(gpu.to);
  return std::move(writer).take();
}

CheckpointIntent decode_checkpoint_intent(std::span<const std::byte> bytes) {
  wire::WireReader reader(bytes);
  CheckpointIntent intent;
  intent.pid = static_cast<int>(reader.u32());
  intent.started = reader.u64();
  const auto goal = reader.u8();
  if (goal > static_cast<std::uint8_t>(CheckpointIntent::Goal::running)) {
    throw Error(Code::bad_request, "a checkpoint's intent with an unknown goal");
  }
  intent.goal = static_cast<CheckpointIntent::Goal>(goal);
  const auto count = reader.count(kPairBytesMin);
  for (std::size_t i = 0; i < count; ++i) {
    GpuPair pair;
    pair.from = reader.string();
    pair.to = reader.string();
    intent.gpus.push_back(std::move(pair));
  }
  reader.finish();
  return intent;
}

DriverCheckpoint::DriverCheckpoint(const std::string& library)
    : api_(std::make_unique<Api>(library)) {
  const auto& there = api_->library;
  if (!there) {
    throw Error(Code::refused, fmt::format("there is no NVIDIA driver here ({})", library));
  }
  if (there.find(api_->driver_version, "cuDriverGetVersion")) {
    (void)api_->driver_version(&api_->version);
  }
  const bool whole = there.find(api_->init, "cuInit") &&
                     there.find(api_->get_state, "cuCheckpointProcessGetState") &&
                     there.find(api_->lock, "cuCheckpointProcessLock") &&
                     there.find(api_->checkpoint, "cuCheckpointProcessCheckpoint") &&
                     there.find(api_->restore, "cuCheckpointProcessRestore") &&
                     there.find(api_->unlock, "cuCheckpointProcessUnlock");
  if (!whole || api_->version < kVersionOf570) {
    throw Error(Code::refused,
                fmt::format("the NVIDIA driver (CUDA {}.{}) cannot checkpoint processes",
                            api_->version / 1000, api_->version % 1000 / 10),
                "driver 570 or later can");
  }
  if (const auto result = api_->init(0); result != kSuccess) {
    throw Error(Code::refused, fmt::format("cuInit: error {}", result),
                "`nvidia-smi` says whether the GPUs work");
  }
}

DriverCheckpoint::~DriverCheckpoint() = default;

int DriverCheckpoint::version() const { return api_->version; }
bool DriverCheckpoint::can_change_gpus() const { return api_->version >= kVersionOf580; }

ProcessState DriverCheckpoint::state(int pid) const {
  CUprocessState state = kFailed;
  if (const auto result = api_->get_state(pid, &state); result != kSuccess) {
    fail(result, "cuCheckpointProcessGetState", pid);
  }
  switch (state) {
    case kRunning: return ProcessState::running;
    case kLocked: return ProcessState::locked;
    case kCheckpointed: return ProcessState::checkpointed;
    case kFailed: return ProcessState::failed;
    default: return ProcessState::in_transit;
  }
}

void DriverCheckpoint::advance(const CheckpointIntent& intent,
                               std::chrono::milliseconds lock_limit) const {
  const auto pid = intent.pid;
  if (intent.started == 0 || start_of(pid) != intent.started) {
    throw Error(Code::not_found, fmt::format("process {} is gone", pid),
                "what it had on its GPUs is gone with it");
  }
  const bool suspend = intent.goal == CheckpointIntent::Goal::suspended;
  std::vector<CUcheckpointGpuPair> pairs;
  for (const auto& gpu : intent.gpus) pairs.push_back({uuid_from(gpu.from), uuid_from(gpu.to)});
  if (!pairs.empty() && !can_change_gpus()) {
    throw Error(Code::refused, "this NVIDIA driver restores a process on its own GPUs only",
                "driver 580 or later can change them");
  }
  // Each call moves the driver to its next state, so the state and the goal determine the next
  // call: after `locked` it depends on the goal.
  while (true) {
    const auto now = state(pid);
    if (now == ProcessState::failed) {
      throw Error(Code::internal, fmt::format("the driver gave process {}'s CUDA state up", pid),
                  "end the process; its state on the GPUs is lost");
    }
    if (now == ProcessState::in_transit) {
      throw Error(Code::conflict, fmt::format("process {} is being checkpointed already", pid),
                  "one tool at a time");
    }
    if (now == (suspend ? ProcessState::checkpointed : ProcessState::running)) return;
    CUresult result = kSuccess;
    const char* call = nullptr;
    if (now == ProcessState::running) {
      CUcheckpointLockArgs arguments{};
      arguments.timeoutMs = static_cast<unsigned>(lock_limit.count());
      call = "cuCheckpointProcessLock";
      result = api_->lock(pid, &arguments);
    } else if (now == ProcessState::checkpointed) {
      CUcheckpointRestoreArgs arguments{};
      arguments.gpuPairs = pairs.empty() ? nullptr : pairs.data();
      arguments.gpuPairsCount = static_cast<unsigned>(pairs.size());
      call = "cuCheckpointProcessRestore";
      result = api_->restore(pid, &arguments);
    } else if (suspend) {
      CUcheckpointCheckpointArgs arguments{};
      call = "cuCheckpointProcessCheckpoint";
      result = api_->checkpoint(pid, &arguments);
    } else {
      CUcheckpointUnlockArgs arguments{};
      call = "cuCheckpointProcessUnlock";
      result = api_->unlock(pid, &arguments);
    }
    if (result != kSuccess) fail(result, call, pid);
  }
}

void DriverCheckpoint::undo(const CheckpointIntent& intent) const {
  auto back = intent;
  back.goal = CheckpointIntent::Goal::running;
  back.gpus.clear();
  advance(back, {});
}

}  // namespace cardswap::cuda
