#pragma once

#include <cardswap/tracking.h>
#include <torch/csrc/autograd/function.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace cardswap {

/// Observes each gradient as soon as a backward pass has accumulated it, by a hook behind the
/// accumulating node. It gives a sink the gradients that an optimizer's step will read next.
///
/// Of several accumulations in a step only the last one is right, so a parameter's gradient is
/// given after as many accumulations as the step before had. The sink finds a gradient that is
/// wrong nevertheless or changes later. Only dense gradients in the host's memory are given. Hooks
/// run on whatever threads compute gradients; everything else is called on the training thread.
class GradientHooks {
 public:
  using Sink = ReplayableOptimizer::GradientSink;

  GradientHooks() = default;
  ~GradientHooks() { close(); }
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;

  /// Listens to `parameters`, which `sink` knows by their places here. Between two backward passes.
  void open(const std::vector<at::Tensor>& parameters, Sink sink);
  void close();
  /// Notes that the optimizer is about to step: from here on gradients are of its next one.
  void before_step();

 private:
  struct Heard;
  class Tap;

  std::shared_ptr<Heard> heard_;  // owners: this and the hooks
  std::vector<std::pair<std::shared_ptr<torch::autograd::Node>, std::uintptr_t>> hooks_;
};

}  // namespace cardswap
