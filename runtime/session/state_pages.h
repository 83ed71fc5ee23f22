#pragma once

#include <cstdint>
#include <vector>

#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The answer to ListState `request` at the boundary of `step`, in pages: at least one. It is kept
/// small, because a full queue of the channel would end the connection: items beyond its bounds are
/// left out.
[[nodiscard]] std::vector<channel::StateList> state_pages(
    std::uint64_t request, std::uint64_t step, const std::vector<channel::StateItem>& items);

}  // namespace cardswap
