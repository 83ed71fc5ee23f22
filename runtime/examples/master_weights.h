#pragma once

#include <torch/torch.h>

#include <vector>

/// Float32 copies of a model's weights for an optimizer, while the model itself computes in
/// bfloat16, as in the training of most large models.
class MasterWeights {
 public:
  /// Makes the model's parameters bfloat16 and keeps what they were.
  explicit MasterWeights(const torch::nn::Module& model) : weights_(model.parameters()) {
    const torch::NoGradGuard no_grad;
    for (auto& weight : weights_) {
      masters->append(weight.detach().to(torch::kFloat).clone());
      weight.set_data(weight.detach().to(torch::kBFloat16));
    }
  }

  /// Gives the optimizer float32 gradients, new ones each time. Before a step.
  void take_gradients() {
    auto all = masters->parameters();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& gradient = weights_[i].grad();
      all[i].mutable_grad() = gradient.defined() ? gradient.to(torch::kFloat) : torch::Tensor();
      weights_[i].mutable_grad() = torch::Tensor();
    }
  }
  /// Gives the model the weights that the optimizer stepped. After a step.
  void give_weights() {
    const torch::NoGradGuard no_grad;
    const auto all = masters->parameters();
    for (std::size_t i = 0; i < all.size(); ++i) weights_[i].copy_(all[i]);
  }

  torch::nn::ParameterList masters;

 private:
  std::vector<torch::Tensor> weights_;
};
