#pragma once

#include <optional>

#include "agent/process/process.h"
#include "migrator/core/error.h"

namespace cardswap {

/// Why start_process() would fail for `spec`, found without starting the program; nothing if it
/// would succeed. A child becomes the user, goes to the folder and asks the kernel whether it might
/// execute the program; nothing is written. Throws Error{io} when there is no child.
[[nodiscard]] std::optional<Error> why_not_startable(const ProcessSpec& spec);

}  // namespace cardswap
