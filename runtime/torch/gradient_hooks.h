#pragma once

#include <cardswap/tracking.h>
#include <torch/csrc/autograd/function.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace cardswap {

/// Observes each gradient as soon as a backward pass has accumulated it, by a hook on the
/// accumulating node. It gives a sink the gradients that an optimizer's next step will read.
///
/// If a gradient is accumulated several times in a step, only the last value is right. So a
/// parameter's gradient is given after as many accumulations as the previous step had. The sink
/// must find out if a gradient is wrong nevertheless or changes later. Only dense gradients of 4
/// KiB or more in the host's memory are given. The hooks run on the threads that compute gradients,
/// and call the sink there; everything else is called on the training thread.
class GradientHooks {
 public:
  using Sink = ReplayableOptimizer::GradientSink;

  GradientHooks() = default;
  ~GradientHooks() { close(); }
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;

  /// Installs hooks on `parameters`; `sink` gets their indexes in this vector. Call it between two
  /// backward passes.
  void open(const std::vector<at::Tensor>& parameters, Sink sink);
  /// Removes the hooks. A call of the sink may still be under way.
  void close();
  /// Called when the optimizer is about to step: later gradients belong to its next step.
  void before_step();

 private:
  struct Heard;
  class Tap;

  std::shared_ptr<Heard> heard_;  // owners: this and the hooks
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks_;
};

}  // namespace cardswap
