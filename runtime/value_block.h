#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "runtime/tracked_entry.h"

// The tracked state that is not in regions, as one block: counters, generators, options. The
// entries are a Tracker's; call these functions on the training thread.

namespace cardswap {

inline constexpr std::size_t kValueBytesMax = 32U << 20;   ///< of one thing
inline constexpr std::size_t kValuesBytesMax = 47U << 20;  ///< of all

/// Saves the values of the tracked things as one block. Throws Error{refused} for a value that is
/// larger than kValueBytesMax, and, with the thing's name, what the program's own state throws.
[[nodiscard]] std::vector<std::byte> save_values(std::span<const TrackedEntry> entries);
/// Saves them as save_values() does, but without what TrackedGradients::save() returns and without
/// a limit: for a digest.
[[nodiscard]] std::vector<std::byte> save_values_without_gradients(
    std::span<const TrackedEntry> entries);
/// Restores the values from a block. Throws Error{layout_differs, bad_request} if the block is not
/// of these things; some of them may have been restored then.
void load_values(std::span<const TrackedEntry> entries, std::span<const std::byte> block);
/// Names of the tracked things whose values differ between the two blocks. Gradients are not
/// compared here: they are regions. Any thread. Throws Error{layout_differs, bad_request} if the
/// blocks are not of the same things.
[[nodiscard]] std::vector<std::string> differing_values(std::span<const std::byte> one,
                                                        std::span<const std::byte> other);

}  // namespace cardswap
