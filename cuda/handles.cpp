#include "cuda/handles.h"

namespace cardswap::cuda {

void order(const Gpu& gpu, Stream stream, const Fence& after) {
  for (const auto& point : after) {
    if (const auto* event = dynamic_cast<const OwnedEvent*>(point.get())) {
      gpu.check(gpu.runtime->wait(stream, event->get()), "cudaStreamWaitEvent");
    }
  }
}

bool passed(const Fence& after) {
  for (const auto& point : after) {
    const auto* event = dynamic_cast<const OwnedEvent*>(point.get());
    if (event != nullptr && !event->passed()) return false;
  }
  return true;
}

}  // namespace cardswap::cuda
