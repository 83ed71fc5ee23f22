#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cuda/digest_plan.h"
#include "cuda/gpu_handles.h"
#include "migrator/base/mutex.h"
#include "migrator/device/device.h"

namespace cardswap::cuda {

/// The work of one launch, cut into tiles.
struct DigestWork {
  std::vector<Tile> tiles;
  std::vector<RangeLeaves> range_leaves;
  std::uint32_t leaves = 0;
};
/// Cuts ranges into the tiles for one launch. Pure.
[[nodiscard]] DigestWork cut_into_tiles(std::span<const MemoryRange> ranges);

/// Digests ranges of one GPU's memory on a stream of its own. Keeps its buffers. Any thread; calls
/// wait for each other.
class Digester {
 public:
  explicit Digester(Gpu gpu) : gpu_(std::move(gpu)), stream_(gpu_), done_(gpu_) {}
  /// Does what Device::digest() does.
  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests, const Fence& after);

 private:
  void make_room(std::size_t bytes) CARDSWAP_REQUIRES(mutex_);

  const Gpu gpu_;
  Mutex mutex_;
  OwnedStream stream_ CARDSWAP_GUARDED_BY(mutex_);
  OwnedEvent done_ CARDSWAP_GUARDED_BY(mutex_);
  std::optional<PinnedMemory> host_ CARDSWAP_GUARDED_BY(mutex_);
  std::optional<DeviceMemory> device_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap::cuda
