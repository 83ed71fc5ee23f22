#pragma once

#include <cuda_runtime_api.h>

#include "cuda/digest_plan.h"
#include "cuda/pack_core.h"

/// Launch the kernels in `stream` and return without waiting. The memory to which `plan` points
/// must stay valid until the kernel has run. An empty plan launches nothing.
namespace cardswap::cuda {

[[nodiscard]] cudaError_t launch_digest(const DigestPlan& plan, cudaStream_t stream);
[[nodiscard]] cudaError_t launch_pack(const PackPlan& plan, cudaStream_t stream);

}  // namespace cardswap::cuda
