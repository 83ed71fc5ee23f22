#pragma once

#include <cardswap/error.h>  // IWYU pragma: export

#include <exception>
#include <optional>
#include <string_view>

/// Error, the project's only exception type, is that of the public API. It is thrown where the
/// cause is known and logged where it is caught. The functions below are internal.
namespace cardswap {

constexpr Code last_of(Code) { return Code::internal; }
/// The code of that name; none: there is no such code.
[[nodiscard]] std::optional<Code> code_from_string(std::string_view text);

/// Turns any exception into an Error, for a place that must not let exceptions pass: a task, a
/// callback, the end of a thread. An Error is returned as it is. `e` must not be null.
[[nodiscard]] Error error_of(const std::exception_ptr& e);

}  // namespace cardswap
