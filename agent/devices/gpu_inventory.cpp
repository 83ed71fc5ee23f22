#include "agent/devices/gpu_inventory.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "agent/base/text_parts.h"
#include "agent/process/pipe.h"
#include "cuda/library.h"
#include "cuda/nvml_api.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

using namespace nvml;  // NOLINT: its numbers
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{10};
constexpr unsigned kGpusMax = 256;
constexpr std::size_t kTextMax = 1U << 16U;
constexpr int kTabs = 4;  // of a whole line, whatever a GPU does not tell

/// Nothing in it ends a line or a column.
std::string in_one_column(const char* text) {
  auto line = as_utf8(text);
  std::erase_if(line, [](char c) { return static_cast<unsigned char>(c) < ' '; });
  return line;
}

}  // namespace

int print_gpus(const std::string& library) {
  const cuda::Library loaded(library);
  if (!loaded) return 3;
  nvmlReturn_t (*init)() = nullptr;
  nvmlReturn_t (*count_of)(unsigned*) = nullptr;
  nvmlReturn_t (*handle)(unsigned, nvmlDevice_t*) = nullptr;
  nvmlReturn_t (*uuid_of)(nvmlDevice_t, char*, unsigned) = nullptr;
  nvmlReturn_t (*name_of)(nvmlDevice_t, char*, unsigned) = nullptr;
  nvmlReturn_t (*memory_of)(nvmlDevice_t, nvmlMemory_t*) = nullptr;
  if (!loaded.find(init, "nvmlInit_v2") || !loaded.find(count_of, "nvmlDeviceGetCount_v2") ||
      !loaded.find(handle, "nvmlDeviceGetHandleByIndex_v2")) {
    return 3;
  }
  loaded.find(uuid_of, "nvmlDeviceGetUUID");
  loaded.find(name_of, "nvmlDeviceGetName");
  loaded.find(memory_of, "nvmlDeviceGetMemoryInfo");
  unsigned count = 0;
  if (init() != kSuccess || count_of(&count) != kSuccess) return 3;
  for (unsigned i = 0; i < std::min(count, kGpusMax); ++i) {
    nvmlDevice_t device = nullptr;
    std::array<char, 96> uuid{};
    std::array<char, 96> name{};
    nvmlMemory_t memory{};
    if (handle(i, &device) != kSuccess) continue;  // a sick one; the monitor tells more
    // What a GPU does not tell stays empty: one that shares the host's memory has no size of its
    // own.
    if (uuid_of == nullptr || uuid_of(device, uuid.data(), 95) != kSuccess) uuid = {};
    if (name_of == nullptr || name_of(device, name.data(), 95) != kSuccess) name = {};
    if (memory_of == nullptr || memory_of(device, &memory) != kSuccess) memory = {};
    std::printf("gpu\t%u\t%s\t%llu\t%s\n", i, in_one_column(uuid.data()).c_str(), memory.total,
                in_one_column(name.data()).c_str());
  }
  return 0;
}

std::vector<GpuInfo> gpus_from(std::string_view text) {
  std::vector<GpuInfo> gpus;
  while (!text.empty() && gpus.size() < kGpusMax) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (std::ranges::count(line, '\t') < kTabs) continue;
    std::array<std::string_view, 5> part;
    for (std::size_t i = 0; i < part.size(); ++i) {
      part[i] = line.substr(0, i + 1 == part.size() ? std::string_view::npos : line.find('\t'));
      line.remove_prefix(std::min(line.size(), part[i].size() + 1));
    }
    if (part[0] != "gpu" || part[1].empty()) continue;
    gpus.push_back({number_in<unsigned>(part[1]).value_or(0), std::string(part[2]),
                    std::string(part[4]), number_in<std::uint64_t>(part[3]).value_or(0)});
  }
  return gpus;
}

std::vector<GpuInfo> list_gpus(const std::string& library) {
  if (library.empty()) return {};
  auto pipe = make_pipe();
  const auto own = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string option = "--list-gpus";
  std::array<char*, 4> arguments{const_cast<char*>(own.c_str()),      // NOLINT: exec's interface
                                 const_cast<char*>(option.c_str()),   // NOLINT
                                 const_cast<char*>(library.c_str()),  // NOLINT
                                 nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, own.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  pipe.write.reset();
  std::string text;
  const auto until = Clock::now() + kLimit;
  while (failed == 0 && text.size() < kTextMax) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{pipe.read.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
    std::array<char, 4096> piece{};
    const auto got = ::read(pipe.read.get(), piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  if (failed == 0) {
    ::kill(child, SIGKILL);  // done, or hung in the driver
    ::waitpid(child, nullptr, 0);
  }
  return gpus_from(text);
}

}  // namespace cardswap
