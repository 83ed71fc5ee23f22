#pragma once

#include <c10/core/Storage.h>
#include <cardswap/tracking.h>
#include <torch/types.h>

#include <memory>
#include <utility>
#include <vector>

/// What differs between a cpu and a GPU for a tracked tensor. Implemented in accelerator_cuda.cpp
/// if LibTorch and this build have CUDA, else in accelerator_absent.cpp.
namespace cardswap::accelerator {

/// The device of a tensor; null: the cpu. Throws std::invalid_argument, which names the device, if
/// tensors there cannot be tracked.
[[nodiscard]] std::shared_ptr<Device> device_of(const at::Tensor& tensor);

/// Waits until the work that the calling thread has queued on the tensor's device is done; only for
/// the thread's current stream.
void finish_work(const at::Tensor& tensor);

/// Whether a GPU's storage may be moved: it owns its memory, which came from LibTorch's caching
/// allocator, and no CUDA graph, which would contain its address, was captured on that GPU.
[[nodiscard]] bool can_move(const c10::StorageImpl& storage);
/// Moves such a storage to `home`, after the work that the calling thread has queued on the GPU.
/// Does not wait.
void move(const c10::Storage& storage, std::byte* home, std::shared_ptr<void> keep);

/// A DataPtr for memory at `home`, which holds `keep`.
[[nodiscard]] inline c10::DataPtr at_home(std::byte* home, std::shared_ptr<void> keep,
                                          c10::Device device) {
  const auto release_keep = [](void* held) { delete static_cast<std::shared_ptr<void>*>(held); };
  // DataPtr owns it, release_keep deletes it.
  return {home, new std::shared_ptr<void>(std::move(keep)), release_keep, device};
}

/// The generator of the current GPU; empty if the program uses no GPU.
[[nodiscard]] std::vector<at::Generator> generators();

}  // namespace cardswap::accelerator
