#include "runtime/holder/gpus.h"

#include "cuda/cuda_device.h"

namespace cardswap {

std::shared_ptr<Device> open_gpu(int index) {
  const cuda::Card card{cuda::cudart(), index};
  const auto stream = std::make_shared<cuda::OwnedStream>(card);
  return cuda::CudaDevice::open(card.runtime, index, {[stream] { return stream->get(); }, {}, {}});
}

}  // namespace cardswap
