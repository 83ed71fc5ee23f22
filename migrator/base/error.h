#pragma once

#include <cardswap/error.h>  // IWYU pragma: export

#include <exception>
#include <optional>
#include <string_view>

/// The one exception of this project is the one of its public API: thrown where the cause is known,
/// logged where it is caught, never both. What follows is for those inside.
namespace cardswap {

constexpr Code last_of(Code) { return Code::internal; }
[[nodiscard]] std::optional<Code> code_from_string(std::string_view text);

/// What a foreign exception is as one of ours, at a place that must not let it through: a task, a
/// callback, a thread's end. An Error stays what it is; `e` must not be null.
[[nodiscard]] Error error_of(const std::exception_ptr& e);

}  // namespace cardswap
