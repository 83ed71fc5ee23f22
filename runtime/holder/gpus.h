#pragma once

#include <memory>

#include "migrator/device/device.h"

namespace cardswap {

/// The GPU with CUDA's number `index` in this process, with a stream of its own. Throws
/// Error{refused} in a build without CUDA, and Error if there is no such GPU.
[[nodiscard]] std::shared_ptr<Device> open_gpu(int index);

}  // namespace cardswap
