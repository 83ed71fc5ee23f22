#pragma once

#include <string>
#include <vector>

#include "cuda/driver_checkpoint.h"

namespace cardswap::criu {

/// A GPU that a process has state on.
struct NeededGpu {
  std::string uuid;  ///< "GPU-..."
  std::string model;
  bool operator==(const NeededGpu&) const = default;
};

/// What a host offers in its place.
struct OfferedGpu {
  std::string host;
  std::string device;  ///< "cuda:0"
  std::string uuid;    ///< empty: not known, or no GPU
  std::string model;
  std::string no_driver;   ///< why no driver restores processes here; empty: one does
  bool can_change = true;  ///< the driver restores on GPUs of another UUID
};

/// Why processes with state on `needed` cannot go on there, one sentence a cause. Pure.
[[nodiscard]] std::vector<std::string> why_not_on(const OfferedGpu& offered,
                                                  const std::vector<NeededGpu>& needed);
/// The GPUs that are others there, which their driver is told. Pure.
[[nodiscard]] std::vector<cuda::GpuPair> pairs_of(const std::vector<NeededGpu>& needed,
                                                  const std::string& uuid);

}  // namespace cardswap::criu
