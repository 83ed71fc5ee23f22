#pragma once

#include <memory>
#include <vector>

namespace cardswap {

/// A point in the work that a program has given to one device.
class FencePoint {
 public:
  virtual ~FencePoint() = default;
};
/// Points for which a reader waits before it reads, so that the work before them is done. Empty:
/// there is nothing to wait for, as on a cpu, where the work of a call is done when it returns.
using Fence = std::vector<std::shared_ptr<const FencePoint>>;

}  // namespace cardswap
