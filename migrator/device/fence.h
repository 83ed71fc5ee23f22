#pragma once

#include <memory>
#include <vector>

namespace cardswap {

/// A point in the work that a program has given one device.
class FencePoint {
 public:
  virtual ~FencePoint() = default;
};
/// Points that a reader waits for, so that it sees their work done. Empty: there is nothing to wait
/// for, as on a cpu, where a call's work is done when it returns.
using Fence = std::vector<std::shared_ptr<const FencePoint>>;

}  // namespace cardswap
