#pragma once

#include <string_view>

namespace cardswap {

/// Whether a token that a peer has sent (`shown`) equals the secret. The time does not depend on
/// where the two differ.
[[nodiscard]] bool is_same_token(std::string_view ours, std::string_view shown);

}  // namespace cardswap
