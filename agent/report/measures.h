#pragma once

/// What the charts of one page have in common, in its pixels.
namespace cardswap::report {

inline constexpr double kWidth = 1120;
inline constexpr double kLeft = 92;  ///< of what is plotted; names stand before it
inline constexpr double kBar = 24;
inline constexpr double kAxis = 44;

}  // namespace cardswap::report
