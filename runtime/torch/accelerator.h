#pragma once

#include <cardswap/session.h>
#include <torch/types.h>

#include <memory>
#include <vector>

/// What differs between a cpu and a GPU for a tracked tensor. accelerator_cuda.cpp where LibTorch
/// and this build have CUDA, accelerator_absent.cpp elsewhere.
namespace cardswap::accelerator {

/// The device of a tensor; none for the cpu's. Throws std::invalid_argument for one that cannot be
/// tracked, naming it.
[[nodiscard]] std::shared_ptr<Device> device_of(const at::Tensor& tensor);

/// Until what the calling thread gave the tensor's device is done. Waits for its stream alone.
void finish_work(const at::Tensor& tensor);

/// The generator of the current GPU; none in a program that uses no GPU.
[[nodiscard]] std::vector<at::Generator> generators();

}  // namespace cardswap::accelerator
