#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// How well the devices are watched. Two sources report a GPU's faults, NVML and the kernel log,
/// and each misses some. Texts for people; empty: there is no such device.
struct SourceCoverage {
  std::string blind;  ///< the first device that no source watches, and why
  std::string half;   ///< the first GPU that only one source watches, and why
};

/// A device, and which sources should watch it.
struct WatchedDevice {
  DeviceName name;
  bool gpu = false;    ///< of kind cuda: it needs both sources
  bool known = false;  ///< the policy names the GPU that it stands for: one source is enough
};

/// `sources` are the states of the sources by name, "ok" or what is wrong; a missing one is off.
/// `nvml` are the devices that NVML watches. Pure.
[[nodiscard]] SourceCoverage coverage_of(const std::vector<WatchedDevice>& devices,
                                         const std::map<std::string, std::string>& sources,
                                         const std::vector<DeviceName>& nvml);

}  // namespace cardswap::health
