// Moves many pieces in one launch, through the byte shuffle where a piece asks for it.
//
// One side is pinned memory of the host, so the bus limits the speed; it works best with a warp's
// 256 adjacent bytes. A few blocks keep it busy and leave the GPU to the program.

#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/kernels.h"

namespace cardswap::cuda {
namespace {

constexpr std::uint32_t kThreads = 256;
constexpr std::uint32_t kBytesPerThread = 64;
constexpr std::uint32_t kBlocksMax = 32;

__global__ void __launch_bounds__(kThreads) pack_pieces(const __grid_constant__ PackPlan plan) {
  pack_share(plan.pieces[blockIdx.y], plan.order, blockIdx.x * kThreads + threadIdx.x,
             gridDim.x * kThreads);
}

}  // namespace

cudaError_t launch_pack(const PackPlan& plan, cudaStream_t stream) {
  if (plan.count == 0) return cudaSuccess;
  std::uint32_t most = 0;
  for (std::uint32_t i = 0; i < plan.count; ++i) most = std::max(most, plan.pieces[i].bytes);
  const auto blocks = std::clamp(most / (kThreads * kBytesPerThread), 1U, kBlocksMax);
  pack_pieces<<<dim3(blocks, plan.count), kThreads, 0, stream>>>(plan);
  return cudaGetLastError();
}

}  // namespace cardswap::cuda
