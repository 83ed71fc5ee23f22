#pragma once

#include <cardswap/session.h>
#include <torch/torch.h>

/// LibTorch's smaller pieces of state as tracked things: loose tensors, generators, LBFGS.
/// <cardswap/torch.h> includes this.
namespace cardswap {

/// A variable that holds a tensor, also one that the program assigns anew at each step. Shape,
/// strides and place in the storage are state; a storage that something tracked before has too goes
/// once. At a boundary it must be no part of a graph: detach() it, or the migration fails and
/// says so. A standby makes the tensor if its own variable holds another one or none.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_tensor(at::Tensor& tensor);
/// A list of tensors, each as tracked_tensor() has it; their number is state too.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_tensors(std::vector<at::Tensor>& tensors);

/// A generator of the program's own. LibTorch's default ones are track_rng()'s. Throws
/// std::invalid_argument for one that is not defined.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_generator(at::Generator& generator);

/// The history, counters and options of LBFGS. It is stepped with its closure, which then is
/// followed by Session::step_boundary(); its steps are not replayed.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_lbfgs(torch::optim::LBFGS& optimizer);

template <>
struct Trackable<at::Tensor> {
  static std::unique_ptr<TrackedState> make(at::Tensor& tensor) { return tracked_tensor(tensor); }
};
template <>
struct Trackable<std::vector<at::Tensor>> {
  static std::unique_ptr<TrackedState> make(std::vector<at::Tensor>& tensors) {
    return tracked_tensors(tensors);
  }
};
template <>
struct Trackable<at::Generator> {
  static std::unique_ptr<TrackedState> make(at::Generator& generator) {
    return tracked_generator(generator);
  }
};
template <>
struct Trackable<torch::optim::LBFGS> {
  static std::unique_ptr<TrackedState> make(torch::optim::LBFGS& optimizer) {
    return tracked_lbfgs(optimizer);
  }
};

}  // namespace cardswap
