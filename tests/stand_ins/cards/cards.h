#pragma once

#include <memory>

#include "cuda/cuda_device.h"
#include "tests/stand_ins/vmm/vmm.h"

namespace cardswap::test {

/// A card of the stand-ins, opened as a CudaDevice, and a program's stream on it.
struct StandInCard {
  std::shared_ptr<StandInCudart> runtime = std::make_shared<StandInCudart>();
  std::shared_ptr<StandInVmm> vmm = std::make_shared<StandInVmm>(runtime);
  cuda::Stream program = runtime->program_stream();
  std::shared_ptr<cuda::CudaDevice> device = cuda::CudaDevice::open(
      runtime, 0, {[stream = program] { return stream; }, {}, {}}, [vmm = vmm] { return vmm; });
};

}  // namespace cardswap::test
