#pragma once

#include <memory>

#include "migrator/device/device.h"

namespace cardswap {

/// The GPU that CUDA counts as `index` in this process, with a stream of its own in place of a
/// program's. Throws Error{refused} in a build without CUDA, and Error where there is no such GPU.
[[nodiscard]] std::shared_ptr<Device> open_gpu(int index);

}  // namespace cardswap
