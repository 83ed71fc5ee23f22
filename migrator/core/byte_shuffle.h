#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cardswap {

/// The byte shuffle of HDF5 and Blosc: the first bytes of all elements, then all second bytes and
/// so on, one plane for each. Signs and exponents come together, which makes tensors compressible.
/// Bytes after the last whole element stay after the planes. cuda/pack_core.h does the same on a
/// GPU.
///
/// `width`: bytes of one element; for a width other than 2, 4, 8 or 16 the bytes are copied as they
/// are. `in` and `out` have the same size and do not overlap.
void shuffle_bytes(std::span<const std::byte> in, std::span<std::byte> out, std::uint8_t width);
void unshuffle_bytes(std::span<const std::byte> in, std::span<std::byte> out, std::uint8_t width);

/// Describes bytes for the byte shuffle: the size of their elements, and whether they are shuffled
/// already.
struct ByteShuffle {
  std::uint8_t element_bytes = 1;  ///< 1 to 16
  bool done = false;

  bool operator==(const ByteShuffle&) const = default;
};

}  // namespace cardswap
