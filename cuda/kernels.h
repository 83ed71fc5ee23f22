#pragma once

#include <cuda_runtime_api.h>

#include "cuda/digest_plan.h"
#include "cuda/pack_core.h"

/// The kernels' launches. They do not wait; what `plan` points to must live until the stream is
/// there. Nothing to do is no launch.
namespace cardswap::cuda {

[[nodiscard]] cudaError_t launch_digest(const DigestPlan& plan, cudaStream_t stream);
[[nodiscard]] cudaError_t launch_pack(const PackPlan& plan, cudaStream_t stream);

}  // namespace cardswap::cuda
