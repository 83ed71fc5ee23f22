#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "migrator/device/device.h"
#include "migrator/device/staging.h"

namespace cardswap {

/// The Staging objects of one engine, one for each device, made at the first use. One thread.
class StagingPool {
 public:
  /// The function Link::direct_bytes_min().
  using DirectBytesMin = std::function<std::optional<std::size_t>(MemoryKind kind)>;

  StagingPool(DirectBytesMin direct_bytes_min, std::size_t payload_bytes_max)
      : direct_bytes_min_(std::move(direct_bytes_min)), payload_bytes_max_(payload_bytes_max) {}
  /// The device's Staging, valid as long as this. The device must outlive this. Throws what
  /// Device::stage() throws.
  [[nodiscard]] Staging& staging_for(Device& device);
  /// Staging::drain() of all.
  void drain();

 private:
  const DirectBytesMin direct_bytes_min_;
  const std::size_t payload_bytes_max_;
  std::map<Device*, std::unique_ptr<Staging>> stagings_;
};

}  // namespace cardswap
