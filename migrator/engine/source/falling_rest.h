#pragma once

#include <cstdint>
#include <optional>

namespace cardswap {

/// Whether what a step leaves to its entry still falls, so that a freeze that waits finds less.
///
/// Gradients that go ahead have only the time that the entry of the step before left of the link,
/// and that entry was whole when the base copy ended. So each step leaves a little less than the
/// one before, until as much goes ahead as can. Pure; one thread.
class FallingRest {
 public:
  /// A freeze waits for so many boundaries at most.
  static constexpr std::uint64_t kStepsMax = 6;

  /// Notes what is to be expected to be left of the next step's gradients, as of the entry of
  /// `step`; once an entry.
  void note(std::uint64_t step, std::uint64_t bytes) {
    if (noted_ && *noted_ == step) return;
    const bool first = !noted_;
    noted_ = step;
    const bool fell = static_cast<double>(bytes) < kFalls * static_cast<double>(least_);
    as_much_ = first || fell ? 0 : as_much_ + 1;
    if (first || fell) least_ = bytes;
  }

  /// Whether a freeze that could be at boundary `now` is worth another step. The boundaries count
  /// from the first call on.
  [[nodiscard]] bool is_worth_a_step(std::uint64_t now) {
    if (!since_) since_ = now;
    return now - *since_ < kStepsMax && as_much_ < kAsMuchMax;
  }

 private:
  /// What is less by under a twentieth does not fall: predictions waver by more.
  static constexpr double kFalls = 0.95;
  /// One step may have had a slow moment of the link.
  static constexpr int kAsMuchMax = 2;

  std::optional<std::uint64_t> noted_;
  std::optional<std::uint64_t> since_;
  std::uint64_t least_ = 0;
  int as_much_ = 0;  // entries in a row that left no less than any before
};

}  // namespace cardswap
