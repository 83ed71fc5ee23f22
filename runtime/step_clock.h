#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cardswap {

/// Counts a training thread's steps and measures the latest ones. One thread counts; any thread
/// reads.
class StepClock {
 public:
  using Clock = std::chrono::steady_clock;

  /// Counts a step that ends now; the next step begins. `ordinary`: its boundary did nothing but
  /// count. The count is stored, as it is read, in the one order of seq_cst.
  void count(bool ordinary);
  /// Adds an ordinary step that the caller timed. Only on the thread that counts.
  void note_ordinary(float took_ms) {
    ordinary_ms_[ordinary_++ % kDurations].store(took_ms, std::memory_order_relaxed);
  }
  /// Makes the step that is under way begin now: the time before was not training.
  void begin_anew() { step_began_ns_ = Clock::now().time_since_epoch().count(); }
  /// Sets the count; only while the counting thread is parked.
  void set_step(std::uint64_t step) { step_.store(step, std::memory_order_release); }

  [[nodiscard]] std::uint64_t step() const { return step_.load(std::memory_order_seq_cst); }
  /// When the step under way began, in ns of steady_clock; 0: no boundary was passed yet.
  [[nodiscard]] std::int64_t step_began_ns() const { return step_began_ns_.load(); }
  /// The duration of the latest step; 0 before two boundaries were passed.
  [[nodiscard]] double latest_ms() const;
  /// The median duration of the latest 64 steps; 0 before two boundaries were passed.
  [[nodiscard]] double median_ms() const;
  /// The durations of the latest ordinary steps, up to 64, in no order.
  [[nodiscard]] std::vector<float> ordinary_ms() const;

 private:
  static constexpr std::size_t kDurations = 64;

  std::atomic<std::uint64_t> step_{0};
  std::atomic<std::int64_t> step_began_ns_{0};
  std::array<std::atomic<float>, kDurations> durations_ms_{};
  std::array<std::atomic<float>, kDurations> ordinary_ms_{};
  std::size_t ordinary_ = 0;  // how many; only on the thread that counts
};

}  // namespace cardswap
