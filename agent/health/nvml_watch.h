#pragma once

#include <string>

namespace cardswap::health {

/// What `cardswapd --watch-nvml LIBRARY` is: a process of its own that loads NVML, watches every
/// device and prints a line for each thing that it sees, until nobody reads them. A driver that
/// hangs or a library that crashes then takes nothing with it. Fields are parted by tabs:
///
///   state    ok | absent | failing    TEXT
///   device   INDEX    UUID    PCI
///   finding  UUID     PCI     CODE    firing (0|1)    lasting (0|1)    DETAIL
///   alive
///
/// Returns the process's exit code.
int watch_nvml(const std::string& library);

}  // namespace cardswap::health
