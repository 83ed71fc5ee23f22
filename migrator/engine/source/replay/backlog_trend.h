#pragma once

#include <cstdint>
#include <optional>

namespace cardswap {

/// Tells whether the rest of a step's gradients (the bytes that were not sent early and go with the
/// entry) still falls from step to step, so that a later freeze would have less to send.
///
/// Early gradients can use only the time of the link that the entry of the previous step leaves,
/// and after the base copy the first such entry is whole. So each step leaves a little less than
/// the previous one, until no more can be sent early. No clock, no I/O; one thread.
class BacklogTrend {
 public:
  /// The most boundaries for which a freeze is delayed.
  static constexpr std::uint64_t kStepsMax = 6;

  /// Notes the predicted rest of the next step's gradients, as of the entry of `step`. A second
  /// call for the same step does nothing.
  void note(std::uint64_t step, std::uint64_t bytes) {
    if (noted_ && *noted_ == step) return;
    const bool first = !noted_;
    noted_ = step;
    const bool fell = static_cast<double>(bytes) < kFalls * static_cast<double>(least_);
    as_much_ = first || fell ? 0 : as_much_ + 1;
    if (first || fell) least_ = bytes;
  }

  /// Whether a freeze that is possible at boundary `now` should wait for another step. kStepsMax
  /// counts from the boundary of the first call.
  [[nodiscard]] bool is_worth_a_step(std::uint64_t now) {
    if (!since_) since_ = now;
    return now - *since_ < kStepsMax && as_much_ < kAsMuchMax;
  }

 private:
  /// The rest falls only if it is below this share of the least so far: predictions vary by as
  /// much.
  static constexpr double kFalls = 0.95;
  /// One step without a fall is allowed: the link may have been slow for a moment.
  static constexpr int kAsMuchMax = 2;

  std::optional<std::uint64_t> noted_;
  std::optional<std::uint64_t> since_;
  std::uint64_t least_ = 0;
  int as_much_ = 0;  // entries in a row whose rest did not fall
};

}  // namespace cardswap
