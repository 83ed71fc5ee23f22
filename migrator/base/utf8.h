#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// Whether JSON can carry `text` as it is.
[[nodiscard]] bool is_utf8(std::string_view text);
/// `text` with every byte that is no part of a UTF-8 character as '?': of the same length, so that
/// offsets into it stay right. For what programs print, which may be anything or cut anywhere.
[[nodiscard]] std::string as_utf8(std::string text);

}  // namespace cardswap
