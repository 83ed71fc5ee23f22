#include <cardswap/torch.h>

#include "runtime/torch/gradients.h"
#include "runtime/torch/tensor_slot.h"

namespace cardswap {
namespace {

constexpr std::size_t kTensorsMax = 1U << 20;

/// The one among a program's variables that has gradients: a parameter of its own.
void append_parameter(std::vector<std::pair<std::string, at::Tensor>>& out, std::string name,
                      const at::Tensor& tensor) {
  if (tensor.defined() && tensor.is_leaf() && tensor.requires_grad()) {
    out.emplace_back(std::move(name), tensor);
  }
}

class TrackedTensor final : public TrackedState {
 public:
  explicit TrackedTensor(at::Tensor& tensor)
      : tensor_(tensor), gradients_([&tensor] {
          std::vector<std::pair<std::string, at::Tensor>> all;
          append_parameter(all, "tensor", tensor);
          return all;
        }) {}
  [[nodiscard]] TrackedGradients* gradients() override { return &gradients_; }
  void regions(std::vector<TrackedRegion>& out) override { tensor_slot::append(out, "", tensor_); }
  void adopt(const std::vector<std::string>& names) override {
    tensor_slot::adopt(names, "", tensor_);
  }
  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    tensor_slot::save(writer, tensor_);
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    tensor_slot::load(reader, tensor_);
    reader.finish();
  }

 private:
  at::Tensor& tensor_;
  Gradients gradients_;
};

class TrackedTensors final : public TrackedState {
 public:
  explicit TrackedTensors(std::vector<at::Tensor>& tensors)
      : tensors_(tensors), gradients_([&tensors] {
          std::vector<std::pair<std::string, at::Tensor>> all;
          for (std::size_t i = 0; i < tensors.size(); ++i) {
            append_parameter(all, "tensor " + std::to_string(i), tensors[i]);
          }
          return all;
        }) {}
  [[nodiscard]] TrackedGradients* gradients() override { return &gradients_; }
  void regions(std::vector<TrackedRegion>& out) override {
    tensor_slot::append_count(out, "tensors", tensors_.size());
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      tensor_slot::append(out, place(i), tensors_[i]);
    }
  }
  void adopt(const std::vector<std::string>& names) override {
    const auto count = tensor_slot::find_count(names, "tensors", kTensorsMax);
    if (!count) return;
    tensors_.resize(*count);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      tensor_slot::adopt(names, place(i), tensors_[i]);
    }
  }
  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    writer.u32(static_cast<std::uint32_t>(tensors_.size()));
    for (const auto& tensor : tensors_) tensor_slot::save(writer, tensor);
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    if (reader.u32() != tensors_.size()) throw std::invalid_argument("a different number");
    for (auto& tensor : tensors_) tensor_slot::load(reader, tensor);
    reader.finish();
  }

 private:
  static std::string place(std::size_t index) { return std::to_string(index) + "/"; }

  std::vector<at::Tensor>& tensors_;
  Gradients gradients_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_tensor(at::Tensor& tensor) {
  return std::make_unique<TrackedTensor>(tensor);
}

std::unique_ptr<TrackedState> tracked_tensors(std::vector<at::Tensor>& tensors) {
  return std::make_unique<TrackedTensors>(tensors);
}

}  // namespace cardswap
