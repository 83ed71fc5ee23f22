#pragma once

#include <c10/core/Storage.h>
#include <cardswap/tracking.h>
#include <torch/types.h>

#include <memory>
#include <utility>
#include <vector>

/// What differs between a cpu and a GPU for a tracked tensor. accelerator_cuda.cpp where LibTorch
/// and this build have CUDA, accelerator_absent.cpp elsewhere.
namespace cardswap::accelerator {

/// The device of a tensor; none for the cpu's. Throws std::invalid_argument for one that cannot be
/// tracked, naming it.
[[nodiscard]] std::shared_ptr<Device> device_of(const at::Tensor& tensor);

/// Waits until what the calling thread gave the tensor's device is done, for its stream alone.
void finish_work(const at::Tensor& tensor);

/// Whether a GPU's storage is its own memory and may go elsewhere: it came from LibTorch's caching
/// allocator, and no CUDA graph was captured on that GPU, which has addresses written down.
[[nodiscard]] bool can_move(const c10::StorageImpl& storage);
/// Moves such a storage to `home`, behind what the calling thread gave the GPU; nothing is waited
/// for.
void move(const c10::Storage& storage, std::byte* home, std::shared_ptr<void> keep);

/// Memory at `home` that a storage holds by `keep`.
[[nodiscard]] inline c10::DataPtr at_home(std::byte* home, std::shared_ptr<void> keep,
                                          c10::Device device) {
  const auto release_keep = [](void* held) { delete static_cast<std::shared_ptr<void>*>(held); };
  // DataPtr owns it, release_keep deletes it.
  return {home, new std::shared_ptr<void>(std::move(keep)), release_keep, device};
}

/// The generator of the current GPU; none in a program that uses no GPU.
[[nodiscard]] std::vector<at::Generator> generators();

}  // namespace cardswap::accelerator
