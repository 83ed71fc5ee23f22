#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/core/digest.h"

namespace cardswap {

/// Element types for which a factor can be searched. multiply() computes in float and rounds once.
enum class FactorKind : std::uint8_t { none, float32, bfloat16 };
constexpr FactorKind last_of(FactorKind /*kind*/) { return FactorKind::bfloat16; }
/// The kind of a region's dtype; FactorKind::none: no factor is searched for it.
[[nodiscard]] FactorKind factor_kind(std::string_view dtype);

/// A number by which a whole gradient was multiplied, as clipping by norm and unscaling do, and the
/// digest of the result.
struct Factor {
  FactorKind kind = FactorKind::none;  ///< none: the gradient was not multiplied
  double value = 1;                    ///< the value of a float
  Digest product;                      ///< of all bytes of the gradient after the multiplication
};

/// Finds a positive float that gives `after`, bit for bit, when `before` is multiplied by it. Any
/// such float is right. `guess` is tried first. None: no positive factor was found. That is always
/// so where no element is a normal number, non-zero, on both sides, where the sizes differ or are
/// not whole elements, and for FactorKind::none.
[[nodiscard]] std::optional<float> find_factor(FactorKind kind, std::span<const std::byte> before,
                                               std::span<const std::byte> after,
                                               std::optional<float> guess);
/// Multiplies in place; does nothing for FactorKind::none. Gives the same bytes on every machine
/// that computes by IEEE 754.
void multiply(FactorKind kind, std::span<std::byte> bytes, float factor);

}  // namespace cardswap
