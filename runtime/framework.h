#pragma once

namespace cardswap::detail {

/// The framework's name and version, "libtorch 2.11.0": of cardswap::torch, where the program links
/// it. Without it, null.
[[gnu::weak]] const char* framework() noexcept;

}  // namespace cardswap::detail
