#include "migrator/tensors/difference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

namespace cardswap::tensors {
namespace {

constexpr std::size_t kBlock = 1024;

template <class Stored>
void subtract(std::span<const std::byte> before, std::span<const std::byte> after,
              std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored a{};
    Stored b{};
    std::memcpy(&a, before.data() + i * sizeof(Stored), sizeof(Stored));
    std::memcpy(&b, after.data() + i * sizeof(Stored), sizeof(Stored));
    const auto apart = b > a ? static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a)
                             : static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
    out[i] = b > a ? static_cast<double>(apart) : -static_cast<double>(apart);
  }
}

/// Of two large whole numbers that differ by one, both are rounded to the same double.
bool must_subtract_exactly(ElementType before, ElementType after) {
  return before == after && (before == ElementType::i64 || before == ElementType::u64);
}

void count_not_finite(std::span<const double> numbers, NotFinite& count) {
  for (const auto number : numbers) {
    if (std::isnan(number)) {
      ++count.nan;
    } else if (std::isinf(number)) {
      ++count.infinite;
    }
  }
}

std::uint64_t count_of_other_bytes(std::span<const std::byte> before,
                                   std::span<const std::byte> after, std::size_t width) {
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < before.size(); at += width) {
    if (std::memcmp(before.data() + at, after.data() + at, width) != 0) ++count;
  }
  return count;
}

std::uint64_t count_of_other_values(std::span<const double> before, std::span<const double> after) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool are_both_nan = std::isnan(before[i]) && std::isnan(after[i]);
    if (before[i] != after[i] && !are_both_nan) ++count;
  }
  return count;
}

}  // namespace

DifferenceSum::DifferenceSum(ElementType before, ElementType after)
    : before_(before), after_(after) {}

void DifferenceSum::add(std::span<const std::byte> before, std::span<const std::byte> after) {
  const auto before_width = bytes_of(before_);
  const auto after_width = bytes_of(after_);
  auto left = std::min(before.size() / before_width, after.size() / after_width);
  elements_ += left;
  compared_ += left;
  while (left > 0) {
    const auto some = std::min(left, kBlock);
    add_block(before.first(some * before_width), after.first(some * after_width));
    before = before.subspan(some * before_width);
    after = after.subspan(some * after_width);
    left -= some;
  }
}

void DifferenceSum::add_block(std::span<const std::byte> before, std::span<const std::byte> after) {
  if (before_ == after_) changed_ += count_of_other_bytes(before, after, bytes_of(before_));
  if (!is_number(before_) || !is_number(after_)) return;
  std::array<double, kBlock> before_room{};
  std::array<double, kBlock> after_room{};
  std::array<double, kBlock> difference_room{};
  const auto count = before.size() / bytes_of(before_);
  const auto a = std::span(before_room).first(count);
  const auto b = std::span(after_room).first(count);
  const auto d = std::span(difference_room).first(count);
  numbers_of(before_, before, a);
  numbers_of(after_, after, b);
  if (before_ != after_) changed_ += count_of_other_values(a, b);
  if (must_subtract_exactly(before_, after_)) {
    before_ == ElementType::i64 ? subtract<std::int64_t>(before, after, d)
                                : subtract<std::uint64_t>(before, after, d);
  } else {
    std::ranges::transform(b, a, d.begin(), std::minus<>());
  }
  count_not_finite(a, not_finite_before_);
  count_not_finite(b, not_finite_after_);
  // The squares of doubles may be too large for a double.
  if (before_ == ElementType::f64 || after_ == ElementType::f64) {
    add_numbers<long double>(a, b, d);
  } else {
    add_numbers<double>(a, b, d);
  }
}

template <class Sum>
void DifferenceSum::add_numbers(std::span<const double> before, std::span<const double> after,
                                std::span<const double> difference) {
  Sum before_sum = 0;
  Sum after_sum = 0;
  Sum product_sum = 0;
  Sum difference_sum = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!std::isfinite(before[i]) || !std::isfinite(after[i])) continue;
    const Sum a = before[i];
    const Sum b = after[i];
    const Sum d = difference[i];
    max_abs_ = std::max(max_abs_, std::abs(difference[i]));
    before_sum += a * a;
    after_sum += b * b;
    product_sum += a * b;
    difference_sum += d * d;
  }
  sums_.before += before_sum;
  sums_.after += after_sum;
  sums_.product += product_sum;
  sums_.difference += difference_sum;
}

Difference DifferenceSum::result() const {
  Difference all;
  all.elements = elements_;
  all.compared = compared_;
  all.changed = changed_;
  all.has_numbers = is_number(before_) && is_number(after_);
  if (!all.has_numbers) return all;
  all.max_abs = max_abs_;
  all.before = not_finite_before_;
  all.after = not_finite_after_;
  if (elements_ > 0) {
    all.rms =
        static_cast<double>(std::sqrt(sums_.difference / static_cast<long double>(elements_)));
  }
  constexpr auto kInfinite = std::numeric_limits<double>::infinity();
  if (all.after.all() > all.before.all() || (sums_.before == 0 && sums_.difference > 0)) {
    all.relative = kInfinite;
  } else if (sums_.before > 0) {
    all.relative = static_cast<double>(std::sqrt(sums_.difference / sums_.before));
  }
  if (sums_.before > 0 && sums_.after > 0) {
    const auto cosine = sums_.product / (std::sqrt(sums_.before) * std::sqrt(sums_.after));
    all.cosine = static_cast<double>(std::clamp<long double>(cosine, -1, 1));
  } else if (sums_.before > 0 || sums_.after > 0) {
    all.cosine = 0;
  }
  return all;
}

}  // namespace cardswap::tensors
