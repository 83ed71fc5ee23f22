#pragma once

#include <string_view>

#include "migrator/base/error.h"

namespace cardswap {

/// What a call to the kernel failed with, `number` being its errno, as Error{io}: "fork: Cannot
/// allocate memory", with what to do about it.
[[nodiscard]] Error os_error(std::string_view doing, int number);
/// Reads errno as it is now.
[[nodiscard]] Error os_error(std::string_view doing);

}  // namespace cardswap
