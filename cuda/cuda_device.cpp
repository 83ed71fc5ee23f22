#include "cuda/cuda_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "cuda/cuda_staging.h"
#include "cuda/vmm_arena.h"
#include "migrator/base/error.h"

namespace cardswap::cuda {
namespace {

/// The UUID as NVML and the driver write it.
std::string uuid_text(const std::array<std::uint8_t, 16>& bytes) {
  std::string text = "GPU";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool part = i == 0 || i == 4 || i == 6 || i == 8 || i == 10;
    text += fmt::format("{}{:02x}", part ? "-" : "", bytes[i]);
  }
  return text;
}

}  // namespace

std::shared_ptr<CudaDevice> CudaDevice::open(std::shared_ptr<Cudart> runtime, int index,
                                             FrameworkCallbacks framework, LoadVmm load_vmm) {
  const Gpu gpu{std::move(runtime), index};
  Properties properties;
  gpu.check(gpu.runtime->properties(index, properties), "cudaGetDeviceProperties");
  DeviceInfo info{fmt::format("cuda:{}", index), uuid_text(properties.uuid), properties.model,
                  MemoryKind::cuda, properties.total_bytes};
  auto device =
      std::make_shared<CudaDevice>(std::move(info), gpu, std::move(framework), std::move(load_vmm));
  try {
    device->load_kernels();
  } catch (const Error&) {
    // The program trains without the kernels; a migration that needs them will report the error.
  }
  return device;
}

CudaDevice::CudaDevice(DeviceInfo info, Gpu gpu, FrameworkCallbacks framework, LoadVmm load_vmm)
    : Device(std::move(info)),
      gpu_(std::move(gpu)),
      framework_(std::move(framework)),
      load_vmm_(std::move(load_vmm)),
      digester_(gpu_),
      read_stream_(gpu_),
      read_done_(gpu_) {}

/// CUDA loads a kernel at its first launch, and stops the program's work for that. So the kernels
/// are launched once now, not in the middle of training.
void CudaDevice::load_kernels() {
  const MemoryRange nothing{this, {}};
  Digest digest;
  digester_.digest({&nothing, 1}, {&digest, 1}, {});
  GatherPlan plan;
  plan.count = 1;
  const MutexLock lock(read_mutex_);
  gpu_.check(gpu_.runtime->gather(plan, read_stream_.get()), "the gather kernel");
}

Fence CudaDevice::fence() {
  gpu_.select();
  auto point = std::make_shared<OwnedEvent>(gpu_);
  point->record(framework_.stream());
  return {std::move(point)};
}

void CudaDevice::wait(const Fence& fence) {
  for (const auto& point : fence) event_of(*point).synchronize();
}

void CudaDevice::digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                        const Fence& after) {
  digester_.digest(ranges, digests, after);
}

template <class Memory>
Buffer CudaDevice::take(const std::shared_ptr<Pool<Memory>>& pool, std::size_t bytes,
                        Device& owner) {
  std::unique_ptr<Memory> memory;
  // Rounded up, so that a slightly larger request fits the next time.
  const auto size = std::bit_ceil(std::max<std::size_t>(bytes, 512));
  {
    const MutexLock lock(pool->mutex);
    if (auto found = pool->free.extract(size)) memory = std::move(found.mapped());
  }
  if (!memory) memory = std::make_unique<Memory>(gpu_, size);
  auto* at = memory->data();
  const std::shared_ptr<const void> lease(at, [pool, raw = memory.release()](const void*) {
    std::unique_ptr<Memory> back(raw);
    const MutexLock lock(pool->mutex);
    pool->free.emplace(back->size(), std::move(back));
  });
  return {&owner, {at, bytes}, lease};
}

std::optional<std::uint64_t> CudaDevice::spare_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  gpu_.select();
  gpu_.check(gpu_.runtime->memory_info(free, total), "cudaMemGetInfo");
  return free + (framework_.spare ? framework_.spare() : 0);
}

Buffer CudaDevice::allocate(std::size_t bytes) {
  if (framework_.allocate) return framework_.allocate(*this, bytes);
  return take(memory_, bytes, *this);
}

Buffer CudaDevice::allocate_host(std::size_t bytes) { return take(pinned_, bytes, cpu_device()); }

void CudaDevice::read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) {
  const MutexLock lock(read_mutex_);
  gpu_.select();
  make_wait(gpu_, read_stream_.get(), after);
  for (const auto& range : ranges) {
    if (range.bytes.empty()) continue;
    gpu_.check(gpu_.runtime->copy(to, range.bytes.data(), range.bytes.size(), read_stream_.get()),
               "cudaMemcpyAsync from the GPU", range.bytes.size());
    to += range.bytes.size();
  }
  read_done_.record(read_stream_.get());
  read_done_.synchronize();
}

std::unique_ptr<Staging> CudaDevice::stage(const StagingOptions& options) {
  return std::make_unique<CudaStaging>(shared_from_this(), gpu_, options);
}

std::shared_ptr<Arena> CudaDevice::reserve_arena(std::uint64_t base, std::uint64_t bytes) {
  gpu_.select();  // its primary context is there, and this thread's, from here on
  // Twice the memory: an arena has holes.
  const ArenaReservation wanted{std::max(2 * info().total_bytes, bytes), base, bytes};
  auto arena = VmmArena::reserve({load_vmm_(), gpu_.index}, wanted, framework_.make_room);
  const MutexLock lock(arenas_mutex_);
  arenas_.emplace_back(arena->head().data(), wanted.capacity);
  return arena;
}

bool CudaDevice::is_in_arena(std::span<const std::byte> range) const {
  const MutexLock lock(arenas_mutex_);
  return std::ranges::any_of(arenas_, [range](const auto& arena) {
    return range.data() >= arena.data() && range.data() < arena.data() + arena.size();
  });
}

}  // namespace cardswap::cuda
