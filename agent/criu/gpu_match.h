#pragma once

#include <string>
#include <vector>

#include "cuda/driver_checkpoint.h"

namespace cardswap::criu {

/// A GPU on which a process has state.
struct NeededGpu {
  std::string uuid;  ///< "GPU-..."
  std::string model;
  bool operator==(const NeededGpu&) const = default;
};

/// The device that a host offers in its place.
struct OfferedGpu {
  std::string host;
  std::string device;  ///< "cuda:0"
  std::string uuid;    ///< empty: not known, or no GPU
  std::string model;
  std::string no_driver;   ///< why CUDA state cannot be restored there; empty: it can
  bool can_change = true;  ///< the driver can restore a process on a GPU with another UUID
};

/// Why processes with state on `needed` cannot go on on the offered device, one sentence for each
/// cause; empty: they can. Pure.
[[nodiscard]] std::vector<std::string> why_not_on(const OfferedGpu& offered,
                                                  const std::vector<NeededGpu>& needed);
/// The pairs of a needed GPU and the GPU `uuid` that replaces it, for the driver. A GPU that stays
/// the same is left out. Pure.
[[nodiscard]] std::vector<cuda::GpuPair> pairs_of(const std::vector<NeededGpu>& needed,
                                                  const std::string& uuid);

}  // namespace cardswap::criu
