#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/health/finding.h"

namespace cardswap::health {

/// What the NVML process says, told on the agent's thread.
struct NvmlEvents {
  std::function<void(int index, std::string uuid, std::string pci)> device;
  /// `device` is a UUID or, where there is none, a PCI address.
  std::function<void(Finding)> finding;
  std::function<void(std::string)> state;  ///< "ok", "absent: ...", "failing: ..."
};

/// One line of nvml_watch.h's; others are passed over. The process is ours, what it read is not.
void take_nvml_line(std::string_view line, const NvmlEvents& events);

/// Runs `cardswapd --watch-nvml library` for ever: started again when it ends, ended when it has
/// said nothing for a while ("nvml:hangs"), because a driver that hangs may never answer.
[[nodiscard]] asio::awaitable<void> watch_nvml_process(asio::io_context& context,
                                                       std::string library, NvmlEvents events);

}  // namespace cardswap::health
