#pragma once

#include "tests/unit/handover/world.h"

namespace cardswap::handover::model {

/// A message as one byte, and back; 0 is none.
[[nodiscard]] std::uint8_t code_of(const Message& message);
[[nodiscard]] Message message_of(std::uint8_t code);

/// What the two agents, their crashes and the operator may do next.
void agents_next(const World& world, const Options& options, Nexts& found);

}  // namespace cardswap::handover::model
