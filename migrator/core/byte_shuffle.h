#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cardswap {

/// The byte shuffle of HDF5 and Blosc: all elements' first bytes, then all second bytes and so on,
/// a plane each. Signs and exponents come together, which is what makes tensors packable. What is
/// left behind whole elements stays behind the planes. cuda/pack_core.h does the same on a GPU.
///
/// `width`: bytes of an element; one that is not 2, 4, 8 or 16 leaves the bytes as they are. `in`
/// and `out` are equally long and do not overlap.
void shuffle_bytes(std::span<const std::byte> in, std::span<std::byte> out, std::uint8_t width);
void unshuffle_bytes(std::span<const std::byte> in, std::span<std::byte> out, std::uint8_t width);

/// What some bytes are to the byte shuffle: of elements of so many bytes, and shuffled by that or
/// not.
struct ByteShuffle {
  std::uint8_t element_bytes = 1;  ///< 1 to 16
  bool done = false;

  bool operator==(const ByteShuffle&) const = default;
};

}  // namespace cardswap
