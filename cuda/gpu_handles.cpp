#include "cuda/gpu_handles.h"

#include <algorithm>

#include "migrator/base/error.h"

namespace cardswap::cuda {

const OwnedEvent& event_of(const FencePoint& point) {
  const auto* event = dynamic_cast<const OwnedEvent*>(&point);
  if (event == nullptr) throw Error(Code::internal, "a fence of a device that is not CUDA's");
  return *event;
}

void make_wait(const Gpu& gpu, Stream stream, const Fence& after) {
  for (const auto& point : after) {
    gpu.check(gpu.runtime->wait(stream, event_of(*point).get()), "cudaStreamWaitEvent");
  }
}

bool has_passed(const Fence& after) {
  return std::ranges::all_of(after,
                             [](const auto& point) { return event_of(*point).has_passed(); });
}

}  // namespace cardswap::cuda
