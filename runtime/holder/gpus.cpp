#include "runtime/holder/gpus.h"

#include "cuda/cuda_device.h"

namespace cardswap {

std::shared_ptr<Device> open_gpu(int index) {
  const cuda::Gpu gpu{cuda::cudart(), index};
  const auto stream = std::make_shared<cuda::OwnedStream>(gpu);
  return cuda::CudaDevice::open(gpu.runtime, index, {[stream] { return stream->get(); }, {}, {}});
}

}  // namespace cardswap
