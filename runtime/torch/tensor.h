#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace cardswap {

/// The whole storage under `tensor`, which keeps it alive; nothing for an undefined tensor. It can
/// be relocated when it owns its memory and got it from LibTorch's allocator.
void append_storage(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& tensor);

/// The sizes, and how they lie in the storage where that is not the usual way.
[[nodiscard]] std::string shape_of(const at::Tensor& tensor);

}  // namespace cardswap
