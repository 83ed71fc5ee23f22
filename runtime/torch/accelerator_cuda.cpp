#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include <map>
#include <mutex>
#include <sstream>

#include "cuda/cuda_device.h"
#include "runtime/torch/accelerator.h"

namespace cardswap::accelerator {
namespace {

/// What LibTorch does with a GPU. Its caching allocator gives the memory: it asks the driver for
/// nothing while it has some left, and takes it back without a word to the driver.
cuda::Framework framework_on(c10::DeviceIndex index) {
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
          }};
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
  // One a GPU and process: whoever has a tensor there means the same device.
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, std::shared_ptr<cuda::CudaDevice>> devices;
  const std::lock_guard lock(mutex);
  auto& opened = devices[device.index()];
  if (!opened) {
    const c10::cuda::CUDAGuard keep_current(device);
    opened = cuda::CudaDevice::open(cuda::cudart(), device.index(), framework_on(device.index()));
  }
  return opened;
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
