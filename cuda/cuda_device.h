#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "cuda/digester.h"
#include "cuda/gpu_handles.h"
#include "cuda/vmm.h"
#include "migrator/base/mutex.h"
#include "migrator/device/device.h"

namespace cardswap::cuda {

/// Callbacks by which a CudaDevice shares a GPU with the program's framework (LibTorch).
struct FrameworkCallbacks {
  /// The stream to which the program gives its work. Called on the program's thread. Must not be
  /// empty.
  std::function<Stream()> stream;
  /// Allocates from the framework's cache, so that the driver is not called while the program
  /// trains. Empty: memory comes from CUDA, and is kept for later use.
  std::function<Buffer(Device& device, std::size_t bytes)> allocate;
  /// Gives unused memory of that cache back to CUDA. Called on the program's thread. May be empty.
  std::function<void()> make_room;
  /// How much of the memory that the framework has from CUDA was unused when it used most. May be
  /// empty.
  std::function<std::uint64_t()> spare;
};

/// Loads the driver's virtual memory management. Throws Error{refused}.
using LoadVmm = std::function<std::shared_ptr<Vmm>()>;

/// A GPU. All work goes to own streams of the lowest priority, which are ordered after the
/// program's work by events; no call waits for the whole device, except those of arenas and a
/// digest that needs a larger buffer than any before. Memory that allocate() and allocate_host()
/// take from CUDA is kept for later calls, because to free it stops the GPU; it is freed with the
/// device and the last Buffer.
class CudaDevice final : public Device, public std::enable_shared_from_this<CudaDevice> {
 public:
  /// Opens the GPU `index`. Throws as cuda::check(): Error{internal} if there is no such GPU,
  /// {no_memory} if its context finds no memory. `load_vmm` is called when an arena is reserved.
  [[nodiscard]] static std::shared_ptr<CudaDevice> open(
      std::shared_ptr<Cudart> runtime, int index, FrameworkCallbacks framework,
      LoadVmm load_vmm = [] { return driver_vmm(); });
  /// Called by open() alone.
  CudaDevice(DeviceInfo info, Gpu gpu, FrameworkCallbacks framework, LoadVmm load_vmm);

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
  /// Whether `range` is in an arena, and so may be in several allocations: a link cannot register
  /// such memory as one.
  [[nodiscard]] bool is_in_arena(std::span<const std::byte> range) const;

 private:
  void load_kernels();

  /// Free allocations by size.
  template <class Memory>
  struct Pool {
    Mutex mutex;
    std::multimap<std::size_t, std::unique_ptr<Memory>> free CARDSWAP_GUARDED_BY(mutex);
  };
  template <class Memory>
  Buffer take(const std::shared_ptr<Pool<Memory>>& pool, std::size_t bytes, Device& owner);

  const Gpu gpu_;
  const FrameworkCallbacks framework_;
  const LoadVmm load_vmm_;
  mutable Mutex arenas_mutex_;
  /// The addresses of all arenas, also of those that are gone.
  std::vector<std::span<const std::byte>> arenas_ CARDSWAP_GUARDED_BY(arenas_mutex_);
  Digester digester_;
  Mutex read_mutex_;
  OwnedStream read_stream_ CARDSWAP_GUARDED_BY(read_mutex_);
  OwnedEvent read_done_ CARDSWAP_GUARDED_BY(read_mutex_);
  const std::shared_ptr<Pool<PinnedMemory>> pinned_ = std::make_shared<Pool<PinnedMemory>>();
  const std::shared_ptr<Pool<DeviceMemory>> memory_ = std::make_shared<Pool<DeviceMemory>>();
};

}  // namespace cardswap::cuda
