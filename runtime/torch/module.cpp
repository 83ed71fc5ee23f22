#include <cardswap/torch.h>

#include <sstream>

#include "runtime/torch/tensor.h"

namespace cardswap {

void append_storage(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  if (!tensor.device().is_cpu() || tensor.layout() != at::kStrided) {
    throw std::invalid_argument(name + ": only dense tensors on the cpu can be tracked");
  }
  const auto& storage = tensor.storage();
  std::ostringstream shape;
  shape << tensor.sizes();
  TrackedRegion region;
  region.name = std::move(name);
  region.dtype = c10::toString(tensor.scalar_type());
  region.shape = shape.str();
  region.memory = {static_cast<std::byte*>(storage.mutable_data()), storage.nbytes()};
  region.storage = storage.unsafeGetStorageImpl();
  region.keep_alive = std::make_shared<c10::Storage>(storage);
  out.push_back(std::move(region));
}

namespace {

class TrackedModule final : public TrackedState {
 public:
  explicit TrackedModule(torch::nn::Module& module) : module_(module) {}
  void regions(std::vector<TrackedRegion>& out) override {
    for (const auto& item : module_.named_parameters())
      append_storage(out, item.key(), item.value());
    for (const auto& item : module_.named_buffers()) append_storage(out, item.key(), item.value());
  }

 private:
  torch::nn::Module& module_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_module(torch::nn::Module& module) {
  return std::make_unique<TrackedModule>(module);
}

}  // namespace cardswap
