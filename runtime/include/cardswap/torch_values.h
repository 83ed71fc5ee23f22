#pragma once

#include <cardswap/session.h>
#include <torch/torch.h>

/// LibTorch's smaller pieces of state as tracked things: single tensors, generators, LBFGS.
/// <cardswap/torch.h> includes this. The functions keep a reference: what they are given must
/// outlive the session.
namespace cardswap {

/// A variable that holds a tensor; the program may assign a new tensor at each step. Shape, strides
/// and offset in the storage are state. A storage that an earlier tracked thing has too is sent
/// once. At a boundary the tensor must not be part of a graph: detach() it, or the migration fails.
/// A standby makes the tensor if its own variable holds a different tensor or none.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_tensor(at::Tensor& tensor);
/// A list of tensors, each tracked as by tracked_tensor(). Their number is state too.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_tensors(std::vector<at::Tensor>& tensors);

/// A generator that the program made; track_rng() tracks LibTorch's default generators. Throws
/// std::invalid_argument for an undefined generator.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_generator(at::Generator& generator);

/// The history, counters and options of LBFGS. The program calls its step() with the closure and
/// then Session::step_boundary(). Its steps are not replayed.
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
