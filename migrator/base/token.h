#pragma once

#include <string_view>

namespace cardswap {

/// Compares a secret with what somebody shows, in a time that tells nothing of where they differ.
[[nodiscard]] bool is_same_token(std::string_view ours, std::string_view shown);

}  // namespace cardswap
