#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace cardswap {

/// Counts of values by upper bounds, as Prometheus has them. `bounds` must ascend and live as long
/// as the process.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void observe(double value) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(at)];
    sum_ += value;
  }
  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }
  /// One count for each bound, and one for values above all bounds; not cumulative.
  [[nodiscard]] std::span<const std::uint64_t> counts() const { return counts_; }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

/// Bounds in seconds for writes to disk and for requests.
inline constexpr double kLatencySeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                             0.1,    0.25,  0.5,    1,     2.5,  5,     10};

}  // namespace cardswap
