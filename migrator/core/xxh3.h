#pragma once

#include <xxhash.h>

#include <cstddef>
#include <span>

namespace cardswap {

/// XXH3-128, seed 0. Uses the widest vectors of this processor if the installed library can choose
/// at run time; otherwise it hashes at a third of the memory's speed. Any thread. CMake picks
/// xxh3_dispatched.cpp or xxh3_portable.cpp; both give the same value.
[[nodiscard]] XXH128_hash_t xxh3_of(std::span<const std::byte> bytes);

}  // namespace cardswap
