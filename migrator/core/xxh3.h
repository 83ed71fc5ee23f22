#pragma once

#include <xxhash.h>

#include <cstddef>
#include <span>

namespace cardswap {

/// XXH3-128, seed 0, with the widest vectors that this processor has where the installed library
/// can choose at run time (a portable build of it hashes at a third of memory speed). Any thread.
/// CMake picks xxh3_dispatched.cpp or xxh3_portable.cpp; both give the same value.
[[nodiscard]] XXH128_hash_t xxh3_of(std::span<const std::byte> bytes);

}  // namespace cardswap
