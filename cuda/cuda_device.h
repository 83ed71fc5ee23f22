#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "cuda/digester.h"
#include "cuda/handles.h"
#include "cuda/vmm.h"
#include "migrator/base/mutex.h"
#include "migrator/device/device.h"

namespace cardswap::cuda {

/// What the program's framework does with a device, for those who share it.
struct Framework {
  /// The program's thread: the stream that it gives its work to. Never null.
  std::function<Stream()> stream;
  /// Allocates from the framework's own cache, where it has one: nothing is asked of the driver
  /// while the program trains. Empty: from CUDA, kept and used again.
  std::function<Buffer(Device& device, std::size_t bytes)> allocate;
  /// The program's thread: gives what that cache has and nobody uses back to CUDA. May be empty.
  std::function<void()> make_room;
  /// Bytes that the framework has from CUDA and left unused when it used most. May be empty.
  std::function<std::uint64_t()> spare;
};

using LoadVmm = std::function<std::shared_ptr<Vmm>()>;

/// A GPU. All work goes to streams of the lowest priority that are not the program's, ordered
/// behind it with events; no call waits for the whole device. Memory that was allocated is kept
/// for the next call until the device is destroyed, because giving it back stops a GPU.
class CudaDevice final : public Device, public std::enable_shared_from_this<CudaDevice> {
 public:
  /// Throws Error where there is no such device. `load_vmm` is called for the first arena.
  [[nodiscard]] static std::shared_ptr<CudaDevice> open(
      std::shared_ptr<Runtime> runtime, int index, Framework framework,
      LoadVmm load_vmm = [] { return driver_vmm(); });
  CudaDevice(DeviceInfo info, Gpu gpu, Framework framework, LoadVmm load_vmm);

  void enter() override { gpu_.select(); }
  Fence fence() override;
  void wait(const Fence& fence) override;
  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
              const Fence& after) override;
  std::size_t digest_bytes_best() const override { return std::size_t{4} << 30U; }
  std::optional<std::uint64_t> spare_bytes() override;
  Buffer allocate(std::size_t bytes) override;
  Buffer allocate_host(std::size_t bytes) override;
  void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) override;
  std::unique_ptr<Staging> stage(const StagingOptions& options) override;
  std::shared_ptr<Arena> reserve_arena(std::uint64_t base, std::uint64_t bytes) override;
  /// Whether `range` may consist of several allocations: no link registers those as one.
  [[nodiscard]] bool is_in_arena(std::span<const std::byte> range) const;

 private:
  void load_kernels();

  /// Allocations by size, which are used again.
  template <class Memory>
  struct Pool {
    Mutex mutex;
    std::multimap<std::size_t, std::unique_ptr<Memory>> free CARDSWAP_GUARDED_BY(mutex);
  };
  template <class Memory>
  Buffer take(const std::shared_ptr<Pool<Memory>>& pool, std::size_t bytes, Device& owner);

  const Gpu gpu_;
  const Framework framework_;
  const LoadVmm load_vmm_;
  mutable Mutex arenas_mutex_;
  /// The arenas' addresses; those of past arenas stay.
  std::vector<std::span<const std::byte>> arenas_ CARDSWAP_GUARDED_BY(arenas_mutex_);
  Digester digester_;
  Mutex read_mutex_;
  OwnedStream read_stream_ CARDSWAP_GUARDED_BY(read_mutex_);
  OwnedEvent read_done_ CARDSWAP_GUARDED_BY(read_mutex_);
  const std::shared_ptr<Pool<PinnedMemory>> pinned_ = std::make_shared<Pool<PinnedMemory>>();
  const std::shared_ptr<Pool<DeviceMemory>> memory_ = std::make_shared<Pool<DeviceMemory>>();
};

}  // namespace cardswap::cuda
