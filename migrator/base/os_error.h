#pragma once

#include <string_view>

#include "migrator/base/error.h"

namespace cardswap {

/// Makes an Error{io} of a failed system call, with a hint: "fork: Cannot allocate memory".
/// `number` is its errno.
[[nodiscard]] Error os_error(std::string_view doing, int number);
/// Makes the same with the current errno.
[[nodiscard]] Error os_error(std::string_view doing);

}  // namespace cardswap
