#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// How well the devices are watched. Two sources report a GPU's faults, NVML and the kernel log,
/// and each misses some.
struct SourceCoverage {
  std::string blind;  ///< a device that no source watches, and why; empty: none
  std::string half;   ///< a device that only one source watches, and why
};

/// A device, and what is known of it.
struct WatchedDevice {
  DeviceName name;
  bool gpu = false;    ///< of kind cuda: needs both sources
  bool known = false;  ///< the policy names the GPU that it stands for: one source is enough
};

/// `sources`: name to "ok" or to what is wrong; `nvml`: the devices that NVML watches. Pure.
[[nodiscard]] SourceCoverage coverage_of(const std::vector<WatchedDevice>& devices,
                                         const std::map<std::string, std::string>& sources,
                                         const std::vector<DeviceName>& nvml);

}  // namespace cardswap::health
