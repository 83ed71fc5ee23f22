#pragma once

/// Sizes that all charts of a page share, in the units of an Svg.
namespace cardswap::report {

inline constexpr double kWidth = 1120;
inline constexpr double kLeft = 92;  ///< where the plot begins; names are to the left of it
inline constexpr double kBar = 24;   ///< height of a bar
inline constexpr double kAxis = 44;  ///< height of the time axis with its labels

}  // namespace cardswap::report
