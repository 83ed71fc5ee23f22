#include <cardswap/torch.h>

#include "runtime/torch/tensor.h"

namespace cardswap {
namespace {

class TrackedModule final : public TrackedState {
 public:
  explicit TrackedModule(torch::nn::Module& module) : module_(module) {}
  void regions(std::vector<TrackedRegion>& out) override {
    for (const auto& item : module_.named_parameters())
      append_storage(out, item.key(), item.value());
    for (const auto& item : module_.named_buffers()) append_storage(out, item.key(), item.value());
  }
  void scratch(std::vector<TrackedRegion>& out) override {
    for (const auto& item : module_.named_parameters()) {
      const auto& gradient = item.value().grad();
      if (!gradient.defined() || gradient.layout() != at::kStrided) continue;
      append_storage(out, "gradient of " + item.key(), gradient);
    }
  }

 private:
  torch::nn::Module& module_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_module(torch::nn::Module& module) {
  return std::make_unique<TrackedModule>(module);
}

}  // namespace cardswap
