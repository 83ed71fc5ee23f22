#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "migrator/tensors/element_type.h"

namespace cardswap::tensors {

/// Counts of elements that are no finite numbers.
struct NotFinite {
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  [[nodiscard]] std::uint64_t all() const { return nan + infinite; }
  bool operator==(const NotFinite&) const = default;
};

/// How two tensors with the same number of elements differ. `compared` are the elements that were
/// read: where two snapshots share a chunk, its elements are equal unread. `relative`, `cosine` and
/// the counts of what is not finite are of these; an element that is not finite on one side is in
/// no sum.
struct Difference {
  std::uint64_t elements = 0;
  std::uint64_t compared = 0;
  std::uint64_t changed = 0;  ///< elements with other bytes, or of another value if types differ
  bool has_numbers = true;    ///< false: the type has no numbers, and what follows is 0
  double max_abs = 0;         ///< largest |after - before|
  double rms = 0;             ///< of after - before, over all elements
  double relative = 0;        ///< |after - before| / |before|; infinite: see DifferenceSum
  double cosine = 1;          ///< between before and after
  NotFinite before;
  NotFinite after;
};

/// Adds up how two tensors differ, piece by piece.
///
/// The relative change is infinite if zeros became non-zero, or if a number that was finite
/// is not any more: both are to come before all else in a list.
class DifferenceSum {
 public:
  DifferenceSum(ElementType before, ElementType after);
  /// Adds a piece of each: the same number of elements, at the same place.
  void add(std::span<const std::byte> before, std::span<const std::byte> after);
  /// Adds elements that are known to be equal.
  void add_equal(std::uint64_t elements) { elements_ += elements; }
  [[nodiscard]] Difference result() const;

 private:
  /// Sums over finite pairs.
  struct Sums {
    long double before = 0;  ///< of squares
    long double after = 0;   ///< of squares
    long double product = 0;
    long double difference = 0;  ///< of squares
  };

  void add_block(std::span<const std::byte> before, std::span<const std::byte> after);
  template <class Sum>
  void add_numbers(std::span<const double> before, std::span<const double> after,
                   std::span<const double> difference);

  const ElementType before_;
  const ElementType after_;
  std::uint64_t elements_ = 0;
  std::uint64_t compared_ = 0;
  std::uint64_t changed_ = 0;
  double max_abs_ = 0;
  NotFinite not_finite_before_;
  NotFinite not_finite_after_;
  Sums sums_;
};

}  // namespace cardswap::tensors
