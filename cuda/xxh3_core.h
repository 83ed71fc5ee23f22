#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/host_device.h"

/// XXH3-128 (seed 0) in a form that a GPU can run: the arithmetic of digest.cu. The host's compiler
/// compiles it too, and tests compare it with libxxhash. Constants and steps are those of xxHash's
/// specification (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
///
/// The long form has eight lanes of 64 bits. Each round takes 64 bytes, a stripe. Lanes 2j and 2j+1
/// need only each other's input, so four threads with two lanes each share the work.
namespace cardswap::xxh3 {

inline constexpr std::size_t kShortMax = 240;  ///< longer inputs take the long form
inline constexpr std::size_t kStripeBytes = 64;
inline constexpr std::size_t kStripesPerBlock = 16;
inline constexpr std::size_t kBlockBytes = kStripeBytes * kStripesPerBlock;
inline constexpr unsigned kPairs = 4;
inline constexpr std::size_t kSecretBytes = 192;
inline constexpr std::size_t kScrambleKey = kSecretBytes - kStripeBytes;
inline constexpr std::size_t kLastKey = kScrambleKey - 7;
inline constexpr std::size_t kLowKey = 11;
inline constexpr std::size_t kHighKey = kScrambleKey - 11;

inline constexpr std::uint64_t kPrime32_1 = 0x9E3779B1U;
inline constexpr std::uint64_t kPrime32_2 = 0x85EBCA77U;
inline constexpr std::uint64_t kPrime32_3 = 0xC2B2AE3DU;
inline constexpr std::uint64_t kPrime64_1 = 0x9E3779B185EBCA87ULL;
inline constexpr std::uint64_t kPrime64_2 = 0xC2B2AE3D27D4EB4FULL;
inline constexpr std::uint64_t kPrime64_3 = 0x165667B19E3779F9ULL;
inline constexpr std::uint64_t kPrime64_4 = 0x85EBCA77C2B2AE63ULL;
inline constexpr std::uint64_t kPrime64_5 = 0x27D4EB2F165667C5ULL;

/// The key table: in ordinary memory on the host, in constant memory for a kernel.
struct Secret {
  alignas(8) std::uint8_t bytes[kSecretBytes];
};
inline constexpr Secret kSecret{{
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
}};

/// The two halves of a hash, as numbers.
struct Hash {
  std::uint64_t low;
  std::uint64_t high;
};
/// Two neighbouring lanes.
struct Pair {
  std::uint64_t even;
  std::uint64_t odd;
};

// ---- loads: whole words at any address

CARDSWAP_BOTH std::uint32_t load32(const std::uint8_t* at) {
  return at[0] | std::uint32_t{at[1]} << 8U | std::uint32_t{at[2]} << 16U |
         std::uint32_t{at[3]} << 24U;
}
CARDSWAP_BOTH std::uint64_t load64(const std::uint8_t* at) {
  return load32(at) | std::uint64_t{load32(at + 4)} << 32U;
}
CARDSWAP_BOTH Pair load_pair(const std::uint8_t* at) { return {load64(at), load64(at + 8)}; }

// ---- arithmetic

CARDSWAP_BOTH Hash multiply(std::uint64_t a, std::uint64_t b) {
#ifdef __CUDA_ARCH__
  return {a * b, __umul64hi(a, b)};
#else
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(product), static_cast<std::uint64_t>(product >> 64U)};
#endif
}
CARDSWAP_BOTH std::uint64_t multiply_and_fold(std::uint64_t a, std::uint64_t b) {
  const auto product = multiply(a, b);
  return product.low ^ product.high;
}
CARDSWAP_BOTH std::uint64_t avalanche(std::uint64_t h) {
  h ^= h >> 37U;
  h *= 0x165667919E3779F9ULL;
  return h ^ (h >> 32U);
}
CARDSWAP_BOTH std::uint64_t avalanche_strong(std::uint64_t h) {
  h ^= h >> 33U;
  h *= kPrime64_2;
  h ^= h >> 29U;
  h *= kPrime64_3;
  return h ^ (h >> 32U);
}
CARDSWAP_BOTH std::uint32_t swap32(std::uint32_t v) {
  return v << 24U | (v << 8U & 0xff0000U) | (v >> 8U & 0xff00U) | v >> 24U;
}
CARDSWAP_BOTH std::uint64_t swap64(std::uint64_t v) {
  return std::uint64_t{swap32(static_cast<std::uint32_t>(v))} << 32U |
         swap32(static_cast<std::uint32_t>(v >> 32U));
}

// ---- the long form, a pair of lanes at a time; `pair` is 0 to 3

CARDSWAP_BOTH Pair start(unsigned pair) {
  if (pair == 0) return {kPrime32_3, kPrime64_1};
  if (pair == 1) return {kPrime64_2, kPrime64_3};
  if (pair == 2) return {kPrime64_4, kPrime32_2};
  return {kPrime64_5, kPrime32_1};
}
CARDSWAP_BOTH std::uint64_t multiply_halves(std::uint64_t v) {
  return (v & 0xffffffffU) * (v >> 32U);
}
CARDSWAP_BOTH void accumulate(Pair& lanes, const Pair& input, const Pair& key) {
  lanes.even += input.odd + multiply_halves(input.even ^ key.even);
  lanes.odd += input.even + multiply_halves(input.odd ^ key.odd);
}
CARDSWAP_BOTH void scramble(Pair& lanes, const Pair& key) {
  lanes.even = (lanes.even ^ (lanes.even >> 47U) ^ key.even) * kPrime32_1;
  lanes.odd = (lanes.odd ^ (lanes.odd >> 47U) ^ key.odd) * kPrime32_1;
}
CARDSWAP_BOTH std::uint64_t merged(const Pair& lanes, const Pair& key) {
  return multiply_and_fold(lanes.even ^ key.even, lanes.odd ^ key.odd);
}
/// Makes the hash from the sums of merged() over the four pairs, with the low and the high key.
CARDSWAP_BOTH Hash finish(std::uint64_t low, std::uint64_t high, std::uint64_t bytes) {
  return {avalanche(bytes * kPrime64_1 + low), avalanche(~(bytes * kPrime64_2) + high)};
}

/// One thread's share of the long form. `load(offset)` returns the 16 bytes at an offset as a Pair.
template <class Load>
CARDSWAP_BOTH Pair run_pair(unsigned pair, std::uint64_t bytes, const Secret& secret, Load load) {
  const auto* key = secret.bytes + std::size_t{16} * pair;
  auto lanes = start(pair);
  const std::uint64_t stripes = (bytes - 1) / kStripeBytes;
  for (std::uint64_t stripe = 0; stripe < stripes; ++stripe) {
    const auto turn = stripe % kStripesPerBlock;
    accumulate(lanes, load(stripe * kStripeBytes + std::size_t{16} * pair),
               load_pair(key + 8 * turn));
    if (turn + 1 == kStripesPerBlock) scramble(lanes, load_pair(key + kScrambleKey));
  }
  accumulate(lanes, load(bytes - kStripeBytes + std::size_t{16} * pair), load_pair(key + kLastKey));
  return lanes;
}
CARDSWAP_BOTH std::uint64_t merged_low(unsigned pair, const Pair& lanes, const Secret& secret) {
  return merged(lanes, load_pair(secret.bytes + kLowKey + std::size_t{16} * pair));
}
CARDSWAP_BOTH std::uint64_t merged_high(unsigned pair, const Pair& lanes, const Secret& secret) {
  return merged(lanes, load_pair(secret.bytes + kHighKey + std::size_t{16} * pair));
}

CARDSWAP_BOTH Hash hash_long(const std::uint8_t* at, std::uint64_t bytes, const Secret& secret) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (unsigned pair = 0; pair < kPairs; ++pair) {
    const auto lanes = run_pair(pair, bytes, secret,
                                [at](std::uint64_t offset) { return load_pair(at + offset); });
    low += merged_low(pair, lanes, secret);
    high += merged_high(pair, lanes, secret);
  }
  return finish(low, high, bytes);
}

// ---- the short forms, by one thread

CARDSWAP_BOTH Hash hash_up_to_16(const std::uint8_t* at, std::uint64_t bytes,
                                 const Secret& secret) {
  const auto* key = secret.bytes;
  if (bytes == 0) {
    return {avalanche_strong(load64(key + 64) ^ load64(key + 72)),
            avalanche_strong(load64(key + 80) ^ load64(key + 88))};
  }
  if (bytes < 4) {
    const std::uint32_t low = std::uint32_t{at[0]} << 16U | std::uint32_t{at[bytes / 2]} << 24U |
                              at[bytes - 1] | static_cast<std::uint32_t>(bytes << 8U);
    const auto swapped = swap32(low);
    const std::uint32_t high = swapped << 13U | swapped >> 19U;
    return {avalanche_strong(low ^ std::uint64_t{load32(key) ^ load32(key + 4)}),
            avalanche_strong(high ^ std::uint64_t{load32(key + 8) ^ load32(key + 12)})};
  }
  if (bytes <= 8) {
    const auto input = load32(at) + (std::uint64_t{load32(at + bytes - 4)} << 32U);
    auto h = multiply(input ^ load64(key + 16) ^ load64(key + 24), kPrime64_1 + (bytes << 2U));
    h.high += h.low << 1U;
    h.low ^= h.high >> 3U;
    h.low = (h.low ^ (h.low >> 35U)) * 0x9FB21C651E98DF25ULL;
    return {h.low ^ (h.low >> 28U), avalanche(h.high)};
  }
  const auto last = load64(at + bytes - 8);
  const auto high = last ^ load64(key + 48) ^ load64(key + 56);
  auto h = multiply(load64(at) ^ last ^ load64(key + 32) ^ load64(key + 40), kPrime64_1);
  h.low += (bytes - 1) << 54U;
  h.high += high + (high & 0xffffffffU) * (kPrime32_2 - 1);
  h.low ^= swap64(h.high);
  auto result = multiply(h.low, kPrime64_2);
  result.high += h.high * kPrime64_2;
  return {avalanche(result.low), avalanche(result.high)};
}

CARDSWAP_BOTH void mix_32(Hash& sum, const std::uint8_t* first, const std::uint8_t* second,
                          const std::uint8_t* key) {
  const auto a = load_pair(first);
  const auto b = load_pair(second);
  sum.low += merged(a, load_pair(key));
  sum.low ^= b.even + b.odd;
  sum.high += merged(b, load_pair(key + 16));
  sum.high ^= a.even + a.odd;
}
CARDSWAP_BOTH Hash finish_short(const Hash& sum, std::uint64_t bytes) {
  return {avalanche(sum.low + sum.high),
          0 - avalanche(sum.low * kPrime64_1 + sum.high * kPrime64_4 + bytes * kPrime64_2)};
}

CARDSWAP_BOTH Hash hash_up_to_240(const std::uint8_t* at, std::uint64_t bytes,
                                  const Secret& secret) {
  const auto* key = secret.bytes;
  Hash sum{bytes * kPrime64_1, 0};
  if (bytes <= 128) {
    for (auto i = (bytes - 1) / 32 + 1; i-- > 0;) {  // from the middle outwards
      mix_32(sum, at + 16 * i, at + bytes - 16 * (i + 1), key + 32 * i);
    }
    return finish_short(sum, bytes);
  }
  for (std::uint64_t i = 0; i < 4; ++i) mix_32(sum, at + 32 * i, at + 32 * i + 16, key + 32 * i);
  sum = {avalanche(sum.low), avalanche(sum.high)};
  for (std::uint64_t i = 4; i < bytes / 32; ++i) {
    mix_32(sum, at + 32 * i, at + 32 * i + 16, key + 3 + 32 * (i - 4));
  }
  // The last bytes come in reverse order and with a negated seed, which is 0.
  mix_32(sum, at + bytes - 16, at + bytes - 32, key + 136 - 17 - 16);
  return finish_short(sum, bytes);
}

CARDSWAP_BOTH Hash hash(const std::uint8_t* at, std::uint64_t bytes, const Secret& secret) {
  if (bytes <= 16) return hash_up_to_16(at, bytes, secret);
  if (bytes <= kShortMax) return hash_up_to_240(at, bytes, secret);
  return hash_long(at, bytes, secret);
}

/// The hash in the order of its canonical form: the high half first, each half big-endian.
CARDSWAP_BOTH Pair canonical(const Hash& hash) { return {swap64(hash.high), swap64(hash.low)}; }

}  // namespace cardswap::xxh3
