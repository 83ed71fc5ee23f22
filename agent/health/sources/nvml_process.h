#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// Callbacks for the lines of the NVML process, on the thread of its io_context. All must be set.
struct NvmlCallbacks {
  std::function<void(int index, std::string uuid, std::string pci)> device;
  /// `device` is a UUID, or a PCI address if the UUID is not known; kHost for "nvml:hangs".
  std::function<void(Finding)> finding;
  std::function<void(std::string)> state;  ///< "ok", "absent: ..." or "failing: ..."
};

/// Reads one line in the form of nvml_watch.h and calls its callback; skips other lines. The
/// process is ours, but its texts come from the driver, so they are made safe.
void take_nvml_line(std::string_view line, const NvmlCallbacks& callbacks);

/// Runs `cardswapd --watch-nvml library` until it is cancelled. Starts it again when it ends, and
/// kills it when it was silent for 15 s, because a driver that hangs may never answer: that is the
/// finding "nvml:hangs".
[[nodiscard]] asio::awaitable<void> watch_nvml_process(asio::io_context& context,
                                                       std::string library,
                                                       NvmlCallbacks callbacks);

}  // namespace cardswap::health
