#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "runtime/tracked_entry.h"

// Everything that is tracked and is no region, as one block: counters, generators, options. Entries
// are a Tracker's, and the thread its.

namespace cardswap {

inline constexpr std::size_t kValueBytesMax = 32U << 20;   ///< of one thing
inline constexpr std::size_t kValuesBytesMax = 47U << 20;  ///< of all

/// The block of the things that are tracked here. Throws Error{refused} for a value that is too
/// large, and what the program's own state throws.
[[nodiscard]] std::vector<std::byte> save_values(std::span<const TrackedEntry> entries);
/// Saves them without what gradients say of themselves, and of any size: for a digest.
[[nodiscard]] std::vector<std::byte> save_values_without_gradients(
    std::span<const TrackedEntry> entries);
/// Throws Error{layout_differs, bad_request} when the block is not of these things.
void load_values(std::span<const TrackedEntry> entries, std::span<const std::byte> block);
/// Names of what two blocks have otherwise; gradients, which follow what is tracked, are regions.
/// Any thread. Throws Error{layout_differs, bad_request} when they are of other things.
[[nodiscard]] std::vector<std::string> differing_values(std::span<const std::byte> one,
                                                        std::span<const std::byte> other);

}  // namespace cardswap
