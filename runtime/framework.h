#pragma once

namespace cardswap::detail {

/// The framework's name and version, such as "libtorch 2.11.0". Defined by the library
/// cardswap::torch; the function's address is null in a program that does not link it.
[[gnu::weak]] const char* framework() noexcept;

}  // namespace cardswap::detail
