#pragma once

#include <ATen/core/Generator.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace cardswap {

/// Appends a generator's whole state, with its own mutex held.
void append_state(at::Generator& generator, std::vector<std::byte>& bytes);
/// Gives a generator the state at the front of `bytes`, as long as its own is, and returns what
/// follows; none, and nothing is done, where they are too few.
[[nodiscard]] std::optional<std::span<const std::byte>> take_state(
    at::Generator& generator, std::span<const std::byte> bytes);

}  // namespace cardswap
