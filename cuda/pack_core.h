#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cuda/host_device.h"

/// Moves many pieces of memory with one launch, as they are or byte-shuffled as in
/// migrator/core/byte_shuffle.h. These are the functions of pack.cu's threads; the host's compiler
/// compiles them too, and tests compare them with that shuffle.
///
/// Eight elements are handled at a time, as `width` words of 64 bits, which are transposed as a
/// matrix of bytes: the transposition by halves of Hacker's Delight, section 7-3.
namespace cardswap::cuda {

/// A run of bytes to move. No destination of a plan overlaps any source or destination of it.
struct PackPiece {
  const std::uint8_t* from = nullptr;
  std::uint8_t* to = nullptr;
  std::uint32_t bytes = 0;
  std::uint8_t width = 1;  ///< bytes of an element: 2, 4 or 8; any other: moved as it is
};

/// The direction of the byte shuffle.
enum class PackOrder : std::uint8_t { to_shuffled, from_shuffled };

inline constexpr std::uint32_t kPackPiecesMax = 64;
/// The arguments of a launch. They are passed by value, so the plan itself need not outlive the
/// call. The memory of a piece is the GPU's, or pinned memory of the host.
struct PackPlan {
  PackPiece pieces[kPackPiecesMax];
  std::uint32_t count = 0;
  PackOrder order = PackOrder::to_shuffled;
};

namespace pack {

inline constexpr std::uint32_t kElements = 8;  ///< taken at a time

[[nodiscard]] CARDSWAP_BOTH bool is_aligned(const void* at, std::size_t to) {
  return reinterpret_cast<std::uintptr_t>(at) % to == 0;
}

/// Sixteen bytes that are loaded and stored at once.
struct alignas(16) Sixteen {
  std::uint64_t low;
  std::uint64_t high;
};
template <class Unit>
[[nodiscard]] CARDSWAP_BOTH Unit load(const std::uint8_t* at) {
  Unit unit;  // NOLINT(cppcoreguidelines-pro-type-member-init): it is written whole
  std::memcpy(&unit, __builtin_assume_aligned(at, sizeof(Unit)), sizeof(Unit));
  return unit;
}
template <class Unit>
CARDSWAP_BOTH void store(std::uint8_t* at, Unit unit) {
  std::memcpy(__builtin_assume_aligned(at, sizeof(Unit)), &unit, sizeof(Unit));
}
[[nodiscard]] CARDSWAP_BOTH std::uint64_t load_word(const std::uint8_t* at) {
  if (is_aligned(at, 8)) return load<std::uint64_t>(at);
  std::uint64_t word = 0;
  for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{at[i]} << (8 * i);
  return word;
}
CARDSWAP_BOTH void store_word(std::uint8_t* at, std::uint64_t word) {
  if (is_aligned(at, 8)) {
    store(at, word);
    return;
  }
  for (unsigned i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(word >> (8 * i));
}

/// Exchanges the high part of each field of `a` with the low part of the same field of `b`.
CARDSWAP_BOTH void exchange(std::uint64_t& a, std::uint64_t& b, unsigned shift,
                            std::uint64_t low_parts) {
  const auto differs = ((a >> shift) ^ b) & low_parts;
  b ^= differs;
  a ^= differs << shift;
}

inline constexpr std::uint64_t kLow32 = 0x00000000FFFFFFFFULL;
inline constexpr std::uint64_t kLow16 = 0x0000FFFF0000FFFFULL;
inline constexpr std::uint64_t kLow8 = 0x00FF00FF00FF00FFULL;

/// Joins every other 16 bits of `word`; the second function is the inverse.
[[nodiscard]] CARDSWAP_BOTH std::uint64_t together_16(std::uint64_t word) {
  word &= kLow16;
  return (word | word >> 16U) & kLow32;
}
[[nodiscard]] CARDSWAP_BOTH std::uint64_t apart_16(std::uint64_t word) {
  word &= kLow32;
  return (word | word << 16U) & kLow16;
}

/// Transposes eight elements: after `to_shuffled`, word b has byte b of each of the eight elements.
/// `from_shuffled` is the inverse.
template <unsigned Width>
struct Eight;

template <>
struct Eight<8> {
  CARDSWAP_BOTH static void to_shuffled(std::uint64_t (&w)[8]) {
    for (unsigned i = 0; i < 4; ++i) exchange(w[i], w[i + 4], 32, kLow32);
    for (unsigned i = 0; i < 8; i += 4) {
      exchange(w[i], w[i + 2], 16, kLow16);
      exchange(w[i + 1], w[i + 3], 16, kLow16);
    }
    for (unsigned i = 0; i < 8; i += 2) exchange(w[i], w[i + 1], 8, kLow8);
  }
  CARDSWAP_BOTH static void from_shuffled(std::uint64_t (&w)[8]) { to_shuffled(w); }
};

template <>
struct Eight<4> {
  CARDSWAP_BOTH static void to_shuffled(std::uint64_t (&w)[4]) {
    // Element j and element j + 4 in a word: then the exchanges leave the elements in order.
    const std::uint64_t m[4] = {w[0], w[1], w[2], w[3]};
    w[0] = (m[0] & kLow32) | m[2] << 32U;
    w[1] = m[0] >> 32U | (m[2] & ~kLow32);
    w[2] = (m[1] & kLow32) | m[3] << 32U;
    w[3] = m[1] >> 32U | (m[3] & ~kLow32);
    exchange(w[0], w[2], 16, kLow16);
    exchange(w[1], w[3], 16, kLow16);
    exchange(w[0], w[1], 8, kLow8);
    exchange(w[2], w[3], 8, kLow8);
  }
  CARDSWAP_BOTH static void from_shuffled(std::uint64_t (&w)[4]) {
    exchange(w[0], w[1], 8, kLow8);
    exchange(w[2], w[3], 8, kLow8);
    exchange(w[0], w[2], 16, kLow16);
    exchange(w[1], w[3], 16, kLow16);
    const std::uint64_t m[4] = {w[0], w[1], w[2], w[3]};
    w[0] = (m[0] & kLow32) | m[1] << 32U;
    w[1] = (m[2] & kLow32) | m[3] << 32U;
    w[2] = m[0] >> 32U | (m[1] & ~kLow32);
    w[3] = m[2] >> 32U | (m[3] & ~kLow32);
  }
};

template <>
struct Eight<2> {
  CARDSWAP_BOTH static void to_shuffled(std::uint64_t (&w)[2]) {
    const std::uint64_t even = together_16(w[0]) | together_16(w[1]) << 32U;
    const std::uint64_t odd = together_16(w[0] >> 16U) | together_16(w[1] >> 16U) << 32U;
    w[0] = even;
    w[1] = odd;
    exchange(w[0], w[1], 8, kLow8);
  }
  CARDSWAP_BOTH static void from_shuffled(std::uint64_t (&w)[2]) {
    exchange(w[0], w[1], 8, kLow8);
    const std::uint64_t even = w[0];
    const std::uint64_t odd = w[1];
    w[0] = apart_16(even) | apart_16(odd) << 16U;
    w[1] = apart_16(even >> 32U) | apart_16(odd >> 32U) << 16U;
  }
};

template <class Unit>
CARDSWAP_BOTH void copy_by(const PackPiece& piece, std::uint32_t worker, std::uint32_t workers) {
  const std::uint32_t units = piece.bytes / sizeof(Unit);
  for (std::uint32_t i = worker; i < units; i += workers) {
    const auto at = std::size_t{i} * sizeof(Unit);
    store(piece.to + at, load<Unit>(piece.from + at));
  }
  for (std::size_t at = std::size_t{units} * sizeof(Unit) + worker; at < piece.bytes;
       at += workers) {
    piece.to[at] = piece.from[at];
  }
}

template <unsigned Width>
CARDSWAP_BOTH void shuffle_by(const PackPiece& piece, PackOrder order, std::uint32_t worker,
                              std::uint32_t workers) {
  const bool there = order == PackOrder::to_shuffled;
  const std::uint32_t count = piece.bytes / Width;
  const std::uint32_t eights = count / kElements;
  for (std::uint32_t i = worker; i < eights; i += workers) {
    const std::size_t elements = std::size_t{i} * kElements * Width;
    const std::size_t plane = std::size_t{i} * kElements;
    std::uint64_t words[Width];
    for (unsigned b = 0; b < Width; ++b) {
      words[b] = load_word(
          piece.from + (there ? elements + 8 * std::size_t{b} : plane + std::size_t{b} * count));
    }
    there ? Eight<Width>::to_shuffled(words) : Eight<Width>::from_shuffled(words);
    for (unsigned b = 0; b < Width; ++b) {
      store_word(
          piece.to + (there ? plane + std::size_t{b} * count : elements + 8 * std::size_t{b}),
          words[b]);
    }
  }
  // The rest: the last elements byte by byte, then the bytes after the last whole element.
  for (std::size_t at = std::size_t{eights} * kElements * Width + worker; at < piece.bytes;
       at += workers) {
    const std::size_t in_shuffled =
        at < std::size_t{count} * Width ? at % Width * count + at / Width : at;
    piece.to[there ? in_shuffled : at] = piece.from[there ? at : in_shuffled];
  }
}

}  // namespace pack

/// Moves the share of `worker` (0 to workers - 1) of a piece. All workers together move each byte
/// once, in any order.
CARDSWAP_BOTH void pack_share(const PackPiece& piece, PackOrder order, std::uint32_t worker,
                              std::uint32_t workers) {
  switch (piece.width) {
    case 2: pack::shuffle_by<2>(piece, order, worker, workers); return;
    case 4: pack::shuffle_by<4>(piece, order, worker, workers); return;
    case 8: pack::shuffle_by<8>(piece, order, worker, workers); return;
    default: break;
  }
  if (pack::is_aligned(piece.from, 16) && pack::is_aligned(piece.to, 16)) {
    pack::copy_by<pack::Sixteen>(piece, worker, workers);
  } else if (pack::is_aligned(piece.from, 4) && pack::is_aligned(piece.to, 4)) {
    pack::copy_by<std::uint32_t>(piece, worker, workers);
  } else {
    pack::copy_by<std::uint8_t>(piece, worker, workers);
  }
}

/// Whether pack_share() shuffles elements of `width` bytes.
[[nodiscard]] CARDSWAP_BOTH bool packs(std::uint8_t width) {
  return width == 2 || width == 4 || width == 8;
}

}  // namespace cardswap::cuda
