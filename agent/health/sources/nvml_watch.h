#pragma once

#include <string>

namespace cardswap::health {

/// The program of `cardswapd --watch-nvml LIBRARY`: loads NVML, watches every device and prints a
/// line for each finding, until nobody reads its output. It is a process of its own, so that a
/// driver that hangs or a library that crashes does not stop the agent. Tabs separate the fields:
///
///   state    ok | absent | failing    TEXT
///   device   INDEX    UUID    PCI
///   finding  UUID     PCI     CODE    firing (0|1)    lasting (0|1)    DETAIL
///   alive
///
/// It prints `alive` at least every few seconds unless the driver hangs. Returns the exit code: 0
/// when nobody reads, 1 when NVML does not start, 3 when there is no such library.
int watch_nvml(const std::string& library);

}  // namespace cardswap::health
