#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// Callbacks for the NVML process's lines, on the agent's thread.
struct NvmlCallbacks {
  std::function<void(int index, std::string uuid, std::string pci)> device;
  /// `device` is a UUID or, where there is none, a PCI address.
  std::function<void(Finding)> finding;
  std::function<void(std::string)> state;  ///< "ok", "absent: ...", "failing: ..."
};

/// Takes one line of nvml_watch.h's form; skips others. The process is ours, the text that it read
/// from the driver is not.
void take_nvml_line(std::string_view line, const NvmlCallbacks& callbacks);

/// Runs `cardswapd --watch-nvml library` for ever. Starts it again when it ends, and kills it when
/// it was silent for too long ("nvml:hangs"), because a driver that hangs may never answer.
[[nodiscard]] asio::awaitable<void> watch_nvml_process(asio::io_context& context,
                                                       std::string library,
                                                       NvmlCallbacks callbacks);

}  // namespace cardswap::health
