#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "cuda/cuda_device.h"
#include "migrator/base/mutex.h"
#include "runtime/torch/accelerator.h"

namespace cardswap::accelerator {
namespace {

/// What LibTorch does with a GPU. Its caching allocator gives the memory: it asks the driver for
/// nothing while it has some left, and takes it back without a call to the driver.
cuda::FrameworkCallbacks framework_on(c10::DeviceIndex index) {
  return {[index] {
            return reinterpret_cast<cuda::Stream>(  // NOLINT: the same handle
                c10::cuda::getCurrentCUDAStream(index).stream());
          },
          [index](Device& device, std::size_t bytes) {
            const auto memory = std::make_shared<at::Tensor>(
                at::empty({static_cast<std::int64_t>(bytes)},
                          at::TensorOptions(at::kByte).device(at::kCUDA, index)));
            return Buffer{
                &device, {static_cast<std::byte*>(memory->mutable_data_ptr()), bytes}, memory};
          },
          [] { c10::cuda::CUDACachingAllocator::emptyCache(); },
          [index] {
            const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(index);
            constexpr auto kAll =
                static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
            const auto left = stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].peak;
            return left > 0 ? static_cast<std::uint64_t>(left) : 0;
          }};
}

/// Whether LibTorch's cache has a pool besides its own, as it makes one for each CUDA graph.
class PoolWatch {
 public:
  bool has_private_pools(c10::DeviceIndex index) {
    // To look at every block takes long, and only new memory can be another pool's.
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(index);
    const auto seen = std::pair(stats.num_device_alloc, stats.num_device_free);
    if (seen_ == seen) return found_;
    found_ = false;
    for (const auto& segment : c10::cuda::CUDACachingAllocator::snapshot({0, 0}, false).segments) {
      const auto& pool = segment.owner_private_pool_id;
      if (segment.device == index && (pool.first != 0 || pool.second != 0)) found_ = true;
    }
    seen_ = seen;
    return found_;
  }

 private:
  std::optional<std::pair<std::int64_t, std::int64_t>> seen_;
  bool found_ = false;
};

struct OpenedGpu {
  cuda::Gpu handle;
  std::shared_ptr<cuda::CudaDevice> device;
  PoolWatch pools;  // the training thread's
};

/// One a GPU and process: whoever has a tensor there means the same device.
OpenedGpu& gpu(c10::DeviceIndex index) {
  static Mutex mutex;
  static std::map<c10::DeviceIndex, OpenedGpu> gpus CARDSWAP_GUARDED_BY(mutex);
  const MutexLock lock(mutex);
  auto& opened = gpus[index];
  if (!opened.device) {
    const c10::cuda::CUDAGuard keep_current(index);
    opened.handle = {cuda::cudart(), index};
    opened.device = cuda::CudaDevice::open(opened.handle.runtime, index, framework_on(index));
  }
  return opened;
}

}  // namespace

std::shared_ptr<Device> device_of(const at::Tensor& tensor) {
  const auto device = tensor.device();
  if (device.is_cpu()) return nullptr;
  if (!device.is_cuda()) {
    std::ostringstream text;
    text << "Cardswap tracks tensors on a cpu and on CUDA devices, not on " << device;
    throw std::invalid_argument(text.str());
  }
  return gpu(device.index()).device;
}

bool can_move(const c10::StorageImpl& storage) {
  const auto& data = storage.data_ptr();
  auto* allocator = c10::cuda::CUDACachingAllocator::get();
  // Another process's memory, and what was given to one, has another context or deleter.
  if (!storage.device().is_cuda() || storage.nbytes() == 0 || !storage.resizable() ||
      data.get() != data.get_context() || data.get_deleter() != allocator->raw_deleter() ||
      allocator->name() != "native") {
    return false;
  }
  const auto index = storage.device().index();
  return !gpu(index).pools.has_private_pools(index);
}

void move(const c10::Storage& storage, std::byte* home, std::shared_ptr<void> keep) {
  const auto device = storage.device();
  const c10::cuda::CUDAGuard guard(device);
  const auto stream = c10::cuda::getCurrentCUDAStream(device.index());
  const auto& handle = gpu(device.index()).handle;
  handle.check(handle.runtime->copy(home, storage.data(), storage.nbytes(),
                                    reinterpret_cast<cuda::Stream>(stream.stream())),  // NOLINT
               "cudaMemcpyAsync", storage.nbytes());
  // The allocator gives the old memory to nobody who does not come behind this copy.
  c10::cuda::CUDACachingAllocator::recordStream(storage.data_ptr(), stream);
  storage.unsafeGetStorageImpl()->set_data_ptr_noswap(at_home(home, std::move(keep), device));
}

void finish_work(const at::Tensor& tensor) {
  if (tensor.device().is_cuda()) {
    c10::cuda::getCurrentCUDAStream(tensor.device().index()).synchronize();
  }
}

std::vector<at::Generator> generators() {
  // Asking for one would start CUDA in a program that does not use it.
  if (c10::cuda::device_count() == 0) return {};
  const auto current = c10::cuda::current_device();
  if (!c10::cuda::hasPrimaryContext(current)) return {};
  return {at::cuda::detail::getDefaultCUDAGenerator(current)};
}

}  // namespace cardswap::accelerator
