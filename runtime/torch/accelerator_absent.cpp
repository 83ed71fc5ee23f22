#include <sstream>
#include <stdexcept>

#include "runtime/torch/accelerator.h"

namespace cardswap::accelerator {

std::shared_ptr<Device> device_of(const at::Tensor& tensor) {
  if (tensor.device().is_cpu()) return nullptr;
  std::ostringstream text;
  text << "this build of Cardswap tracks tensors on the cpu, not on " << tensor.device();
  throw std::invalid_argument(text.str());
}

void finish_work(const at::Tensor&) {}

bool can_move(const c10::StorageImpl&) { return false; }

void move(const c10::Storage&, std::byte*, std::shared_ptr<void>) {}

std::vector<at::Generator> generators() { return {}; }

}  // namespace cardswap::accelerator
