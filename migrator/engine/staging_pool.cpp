#include "migrator/engine/staging_pool.h"

namespace cardswap {

Staging& StagingPool::staging_for(Device& device) {
  auto& staging = stagings_[&device];
  if (!staging) {
    staging = device.stage({payload_bytes_max_, direct_bytes_min_(device.info().kind)});
  }
  return *staging;
}

void StagingPool::drain() {
  for (const auto& [device, staging] : stagings_) staging->drain();
}

}  // namespace cardswap
