#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "migrator/device/device.h"
#include "migrator/device/staging.h"

namespace cardswap {

/// One engine's Staging objects, a device each, made when a device is first used. One thread.
class StagingPool {
 public:
  /// The number of bytes from which on the link reaches such memory itself; none: never.
  using DirectBytesMin = std::function<std::optional<std::size_t>(MemoryKind kind)>;

  StagingPool(DirectBytesMin direct_bytes_min, std::size_t payload_bytes_max)
      : direct_bytes_min_(std::move(direct_bytes_min)), payload_bytes_max_(payload_bytes_max) {}
  [[nodiscard]] Staging& of(Device& device);
  void settle();

 private:
  const DirectBytesMin direct_bytes_min_;
  const std::size_t payload_bytes_max_;
  std::map<Device*, std::unique_ptr<Staging>> stagings_;
};

}  // namespace cardswap
