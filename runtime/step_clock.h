#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cardswap {

/// Counts a training thread's steps and knows how long the latest took. One thread counts; any
/// thread reads.
class StepClock {
 public:
  using Clock = std::chrono::steady_clock;

  /// Counts a step that ends now; the next begins. `ordinary`: nothing was asked in it.
  void count(bool ordinary);
  /// An ordinary step that others timed. The thread that counts.
  void note_ordinary(float took_ms) {
    ordinary_ms_[ordinary_++ % kDurations].store(took_ms, std::memory_order_relaxed);
  }
  /// Makes the step that is under way begin now: what was before was no training.
  void begin_anew() { step_began_ns_ = Clock::now().time_since_epoch().count(); }
  /// Sets the count; only while nobody counts.
  void set_step(std::uint64_t step) { step_.store(step, std::memory_order_release); }

  [[nodiscard]] std::uint64_t step() const { return step_.load(std::memory_order_acquire); }
  /// When the latest step ended, or began anew; of steady_clock.
  [[nodiscard]] std::int64_t step_began_ns() const { return step_began_ns_.load(); }
  [[nodiscard]] double latest_ms() const;
  /// The median of the latest 64 steps; 0 before two were counted.
  [[nodiscard]] double median_ms() const;
  /// What the latest 64 ordinary steps took, in no order.
  [[nodiscard]] std::vector<float> ordinary_ms() const;

 private:
  static constexpr std::size_t kDurations = 64;

  std::atomic<std::uint64_t> step_{0};
  std::atomic<std::int64_t> step_began_ns_{0};
  std::array<std::atomic<float>, kDurations> durations_ms_{};
  std::array<std::atomic<float>, kDurations> ordinary_ms_{};
  std::size_t ordinary_ = 0;  // of the thread that counts
};

}  // namespace cardswap
