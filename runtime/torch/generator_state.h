#pragma once

#include <ATen/core/Generator.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace cardswap {

/// Appends a generator's whole state. Locks the generator's mutex.
void append_state(at::Generator& generator, std::vector<std::byte>& bytes);
/// Restores a generator from the first bytes, as many as its own state has, and returns the bytes
/// after them. Nullopt: there are too few bytes, and nothing was done. Locks the generator's mutex.
[[nodiscard]] std::optional<std::span<const std::byte>> take_state(
    at::Generator& generator, std::span<const std::byte> bytes);

}  // namespace cardswap
