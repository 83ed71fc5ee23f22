#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/core/digest.h"

namespace cardswap {

/// The numbers that a factor is known for. What multiplies them computes in float and rounds once.
enum class FactorKind : std::uint8_t { none, float32, bfloat16 };
constexpr FactorKind last_of(FactorKind /*kind*/) { return FactorKind::bfloat16; }
/// The kind of a region's dtype; none: no factor is looked for.
[[nodiscard]] FactorKind factor_kind(std::string_view dtype);

/// A number by which all of a gradient was multiplied, as clipping by norm and unscaling do, and
/// what that gave.
struct Factor {
  FactorKind kind = FactorKind::none;  ///< none: it is as it was
  double value = 1;                    ///< a float's
  Digest product;                      ///< of all bytes after it
};

/// Finds a float that gives `after`, bit for bit, when it multiplies `before`; any that does is
/// right. `guess` is tried first. None: there is no positive one, or one side is of other bytes.
[[nodiscard]] std::optional<float> find_factor(FactorKind kind, std::span<const std::byte> before,
                                               std::span<const std::byte> after,
                                               std::optional<float> guess);
/// Multiplies in place. The same bytes on every machine that computes by IEEE 754.
void multiply(FactorKind kind, std::span<std::byte> bytes, float factor);

}  // namespace cardswap
