#pragma once

#include <string>

namespace cardswap::health {

/// The program of `cardswapd --watch-nvml LIBRARY`: loads NVML, watches every device and prints a
/// line for each finding, until nobody reads them. It is its own process, so that a driver that
/// hangs or a library that crashes does not stop the agent. Tabs separate the fields:
///
///   state    ok | absent | failing    TEXT
///   device   INDEX    UUID    PCI
///   finding  UUID     PCI     CODE    firing (0|1)    lasting (0|1)    DETAIL
///   alive
///
/// Returns the process's exit code.
int watch_nvml(const std::string& library);

}  // namespace cardswap::health
