#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace cardswap {

/// Appends a region for the whole storage of `tensor`, which the region keeps alive; appends
/// nothing for an undefined tensor. The region can be relocated if the storage owns its memory and
/// LibTorch's allocator made it. Throws std::invalid_argument for a tensor that is not dense or
/// whose device cannot be tracked.
void append_storage(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& tensor);

/// The sizes as text, "[2, 3]", with the strides if the tensor is not contiguous and the offset if
/// it is not 0.
[[nodiscard]] std::string shape_of(const at::Tensor& tensor);

}  // namespace cardswap
