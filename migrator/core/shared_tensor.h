#pragma once

namespace cardswap {

/// The dtype of a region without bytes that tells of one more tensor in an earlier region's memory,
/// a tied weight or a view. Its `shape` is the tensor's dtype and shape, " of ", and the name of
/// that region: "Float [64, 8] strides [1, 64] of model/embedding.weight".
inline constexpr const char* kSharedTensor = "shared tensor";

}  // namespace cardswap
