#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// Whether `text` is UTF-8, so that JSON can carry it.
[[nodiscard]] bool is_utf8(std::string_view text);
/// Replaces every byte that is not part of a UTF-8 character by '?'. The length stays the same, and
/// so do offsets. For the output of programs, which may be any bytes or cut anywhere.
[[nodiscard]] std::string as_utf8(std::string text);

}  // namespace cardswap
