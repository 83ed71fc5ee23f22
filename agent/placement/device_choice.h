#pragma once

#include <string>

namespace cardswap {

/// A device that was chosen for a job, or why there is none.
struct DeviceChoice {
  /// "cuda:1", or "HOST:PORT/cuda:1" where there are several hosts to choose from; empty: none.
  std::string device;
  std::string why_none;  ///< for people
};

}  // namespace cardswap
