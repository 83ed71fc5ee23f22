// A product that is rounded to its type never falls when the factor grows. So the factors that give
// one element its value are a run of neighbouring floats. An element for which a candidate gives a
// wrong value tells whether the factor is larger or smaller. A binary search thus finds a factor
// that is right for all elements, or that there is none. It goes round the elements, and ends when
// one whole turn found no wrong value.
#include "migrator/core/factor.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace cardswap {
namespace {

/// The error of a ratio of two rounded numbers: bfloat16 has eight bits, and a number near zero
/// fewer.
constexpr float kRatioError = 1.0F / 32;

/// float32 in memory.
struct Float32 {
  using Bits = std::uint32_t;
  static float value(Bits bits) { return std::bit_cast<float>(bits); }
  static Bits rounded(float value) { return std::bit_cast<Bits>(value); }
};
/// bfloat16 in memory: the upper half of a float, rounded to even as LibTorch does.
struct Bfloat16 {
  using Bits = std::uint16_t;
  static float value(Bits bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }
  static Bits rounded(float value) {
    if (std::isnan(value)) return 0x7fc0;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<Bits>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
  }
};

template <class Number>
typename Number::Bits bits_at(std::span<const std::byte> bytes, std::size_t index) {
  typename Number::Bits bits{};
  std::memcpy(&bits, bytes.data() + index * sizeof(bits), sizeof(bits));
  return bits;
}

template <class Number>
typename Number::Bits product(typename Number::Bits bits, float factor) {
  return Number::rounded(Number::value(bits) * factor);
}

std::uint32_t place_of(float factor) { return std::bit_cast<std::uint32_t>(factor); }
float factor_at(std::uint32_t place) { return std::bit_cast<float>(place); }

/// The floats that are not excluded yet, by their bits, whose order is that of positive floats.
struct Candidates {
  std::uint32_t least = 1;
  std::uint32_t most = 0;
  [[nodiscard]] bool empty() const { return least > most; }
  [[nodiscard]] std::uint32_t middle() const { return least + (most - least) / 2; }
};

/// The candidates by the first element that is normal on both sides. Empty: there is no such
/// element, or its sign differs.
template <class Number>
Candidates first_candidates(std::span<const std::byte> before, std::span<const std::byte> after) {
  const auto count = before.size() / sizeof(typename Number::Bits);
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = Number::value(bits_at<Number>(before, i));
    const auto to = Number::value(bits_at<Number>(after, i));
    if (!std::isnormal(from) || !std::isnormal(to)) continue;
    const auto ratio = to / from;
    const auto least = ratio * (1 - kRatioError);
    const auto most = ratio * (1 + kRatioError);
    if (!(least > 0) || !std::isfinite(most)) return {};
    return {place_of(least), place_of(most)};
  }
  return {};
}

template <class Number>
std::optional<float> find(std::span<const std::byte> before, std::span<const std::byte> after,
                          std::optional<float> guess) {
  const auto count = before.size() / sizeof(typename Number::Bits);
  auto left = first_candidates<Number>(before, after);
  if (left.empty()) return std::nullopt;
  auto now = left.middle();
  if (guess && *guess > 0 && place_of(*guess) >= left.least && place_of(*guess) <= left.most) {
    now = place_of(*guess);
  }
  std::size_t right = 0;  // elements in a row that `now` gets right
  for (std::size_t i = 0; right < count; i = i + 1 == count ? 0 : i + 1) {
    const auto wanted = bits_at<Number>(after, i);
    const auto from = bits_at<Number>(before, i);
    const auto got = product<Number>(from, factor_at(now));
    if (got == wanted) {
      ++right;
      continue;
    }
    const auto is = std::abs(Number::value(got));
    const auto to_be = std::abs(Number::value(wanted));
    if (is < to_be) {
      left.least = now + 1;
    } else if (is > to_be) {
      left.most = now - 1;
    } else {
      return std::nullopt;  // another sign, or no number
    }
    if (left.empty()) return std::nullopt;
    now = left.middle();
    right = product<Number>(from, factor_at(now)) == wanted ? 1 : 0;
  }
  return factor_at(now);
}

template <class Number>
void multiply_all(std::span<std::byte> bytes, float factor) {
  const auto count = bytes.size() / sizeof(typename Number::Bits);
  for (std::size_t i = 0; i < count; ++i) {
    const auto result = product<Number>(bits_at<Number>(bytes, i), factor);
    std::memcpy(bytes.data() + i * sizeof(result), &result, sizeof(result));
  }
}

}  // namespace

FactorKind factor_kind(std::string_view dtype) {
  if (dtype == "Float") return FactorKind::float32;
  if (dtype == "BFloat16") return FactorKind::bfloat16;
  return FactorKind::none;
}

std::optional<float> find_factor(FactorKind kind, std::span<const std::byte> before,
                                 std::span<const std::byte> after, std::optional<float> guess) {
  if (before.size() != after.size()) return std::nullopt;
  switch (kind) {
    case FactorKind::float32:
      if (before.size() % sizeof(Float32::Bits) != 0) return std::nullopt;
      return find<Float32>(before, after, guess);
    case FactorKind::bfloat16:
      if (before.size() % sizeof(Bfloat16::Bits) != 0) return std::nullopt;
      return find<Bfloat16>(before, after, guess);
    case FactorKind::none: break;
  }
  return std::nullopt;
}

void multiply(FactorKind kind, std::span<std::byte> bytes, float factor) {
  if (kind == FactorKind::float32) multiply_all<Float32>(bytes, factor);
  if (kind == FactorKind::bfloat16) multiply_all<Bfloat16>(bytes, factor);
}

}  // namespace cardswap
