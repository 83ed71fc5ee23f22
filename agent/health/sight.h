#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/health/finding.h"

namespace cardswap::health {

/// How well the devices are watched. Two sources tell of a GPU's faults, NVML and the kernel log,
/// and each has been seen to miss some.
struct Sight {
  std::string blind;  ///< a device that no source tells of, and why; empty: none is
  std::string half;   ///< a device that only one source tells of, and why
};

struct WatchedDevice {
  DeviceName name;
  bool gpu = false;    ///< of kind cuda: both sources are needed
  bool known = false;  ///< the policy says which GPU it stands for: one source is enough
};

/// `sources`: by name, "ok" or what is wrong; `nvml`: the devices that NVML watches. Pure.
[[nodiscard]] Sight sight_of(const std::vector<WatchedDevice>& devices,
                             const std::map<std::string, std::string>& sources,
                             const std::vector<DeviceName>& nvml);

}  // namespace cardswap::health
