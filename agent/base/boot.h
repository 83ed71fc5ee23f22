#pragma once

#include <cstdint>
#include <string>

namespace cardswap {

/// The boot id of this host, which differs after each boot; empty if it cannot be read.
[[nodiscard]] std::string boot_id();
/// When this host was booted (Unix time); 0 if it cannot be read.
[[nodiscard]] std::int64_t booted_at_ms();

}  // namespace cardswap
