#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "migrator/core/layout.h"

namespace cardswap {

struct SourceContext;

/// Whether two different copies of a tensor differ only as they do when sums are computed in
/// another order: each element by at most 64 units in the last place of the largest element.
/// Only for Float and Double; false for other dtypes, where an optimizer step may be as small as
/// such a unit. False for equal copies.
[[nodiscard]] bool is_rounding(std::string_view dtype, std::span<const std::byte> one,
                               std::span<const std::byte> other);

/// Whether the two sides differ only by rounding in these chunks. Looks at samples: the first bytes
/// of one chunk for each of the first 64 regions, which the target sends. False also if such
/// a sample is equal on both sides. Both programs must be parked. The engine's thread; throws as
/// ConnectionToTarget's waits do, what a device throws, and Error{bad_request} if the target sends
/// another chunk.
[[nodiscard]] bool differ_by_rounding(SourceContext& context, std::span<const ChunkId> differing);

}  // namespace cardswap
