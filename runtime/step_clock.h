#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cardswap {

/// Counts a training thread's steps and knows how long the latest took. One thread counts; any
/// thread reads.
class StepClock {
 public:
  using Clock = std::chrono::steady_clock;

  /// A step ends now, and the next begins.
  void count();
  /// The step that is under way begins now: what was before was no training.
  void begin_anew() { last_ns_ = Clock::now().time_since_epoch().count(); }
  /// Only while nobody counts.
  void set_step(std::uint64_t step) { step_.store(step, std::memory_order_release); }

  [[nodiscard]] std::uint64_t step() const { return step_.load(std::memory_order_acquire); }
  /// When the latest step ended, or began anew; of steady_clock.
  [[nodiscard]] std::int64_t last_ns() const { return last_ns_.load(); }
  [[nodiscard]] double latest_ms() const;
  /// Of the latest 64; 0 before two were counted.
  [[nodiscard]] double median_ms() const;

 private:
  static constexpr std::size_t kDurations = 64;

  std::atomic<std::uint64_t> step_{0};
  std::atomic<std::int64_t> last_ns_{0};
  std::array<std::atomic<float>, kDurations> durations_ms_{};
};

}  // namespace cardswap
