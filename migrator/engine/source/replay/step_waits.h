#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace cardswap {

/// Keeps account of how long steps of the program have waited for the update log, and how long a
/// step may still wait. The caller brings the clock; one thread at a time.
class StepWaits {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;

  /// Limits the sum of the waits of one step, for waits that begin later. Nullopt: no limit.
  void set_max(std::optional<Milliseconds> longest) { max_ = longest; }
  /// Begins a wait of `step`, and returns until when it may wait: Clock::time_point::max() if there
  /// is no limit. One of the two functions below ends the wait.
  [[nodiscard]] Clock::time_point begin(std::uint64_t step, Clock::time_point now);
  /// Notes that the step waited for room, from `start` to `now`.
  void note_for_room(Clock::time_point start, Clock::time_point now);
  /// Notes that the step was held until its entries had been sent.
  void note_held(Clock::time_point start, Clock::time_point now);

  /// The sum of the waits for room.
  [[nodiscard]] double for_room_ms() const { return for_room_ms_; }
  /// How long the latest held step waited for its entries.
  [[nodiscard]] double held_ms() const { return held_ms_; }
  /// The sum of all waits, and the longest wait of one step.
  [[nodiscard]] double all_ms() const { return all_ms_; }
  [[nodiscard]] double longest_ms() const { return longest_ms_; }

 private:
  double note(Clock::time_point start, Clock::time_point now);

  std::optional<Milliseconds> max_;
  std::uint64_t step_ = 0;  // the step that waits or has waited last
  double step_ms_ = 0;      // its waits so far
  std::uint64_t held_step_ = 0;
  double held_ms_ = 0;
  double for_room_ms_ = 0;
  double all_ms_ = 0;
  double longest_ms_ = 0;
};

}  // namespace cardswap
