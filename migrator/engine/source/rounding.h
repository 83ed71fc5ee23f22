#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "migrator/core/layout.h"

namespace cardswap {

struct SourceContext;

/// Whether two copies of a tensor differ by the order in which sums were taken and by nothing else:
/// each element by a few units in the last place of the largest one. Only of Float and Double: with
/// fewer digits a whole step may be a unit in the last place. False where they are equal: what
/// differs lies elsewhere, and may be anything.
[[nodiscard]] bool is_rounding(std::string_view dtype, std::span<const std::byte> one,
                               std::span<const std::byte> other);

/// Whether what both sides hold in these chunks differs by rounding alone, by the first bytes of
/// one chunk each of the first 64 regions, as the target tells them. Both stand. The engine's
/// thread; throws as PeerConnection does.
[[nodiscard]] bool differ_by_rounding(SourceContext& context, std::span<const ChunkId> differing);

}  // namespace cardswap
