#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace cardswap {

/// How long steps of the program have waited for its update log, and how long one still may. The
/// caller brings the clock; one thread at a time.
class StepWaits {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;

  /// Bounds the waits of one step that begin after this; none: as long as it takes.
  void set_max(std::optional<Milliseconds> longest) { max_ = longest; }
  /// The time until which `step`, which begins to wait now, may do so, all its waits together:
  /// Clock::time_point::max() where nothing bounds them. One of the notes below follows.
  [[nodiscard]] Clock::time_point begin(std::uint64_t step, Clock::time_point now);
  /// Notes that the step waited for room, from `start` to `now`.
  void note_for_room(Clock::time_point start, Clock::time_point now);
  /// Notes that the step was held until its entries had been sent.
  void note_held(Clock::time_point start, Clock::time_point now);

  /// What steps have waited for room.
  [[nodiscard]] double for_room_ms() const { return for_room_ms_; }
  /// What the latest step that was held waited for its entries.
  [[nodiscard]] double held_ms() const { return held_ms_; }
  /// All that steps have waited, and the most that one did.
  [[nodiscard]] double all_ms() const { return all_ms_; }
  [[nodiscard]] double longest_ms() const { return longest_ms_; }

 private:
  double note(Clock::time_point start, Clock::time_point now);

  std::optional<Milliseconds> max_;
  std::uint64_t step_ = 0;  // that waits, or did so last
  double step_ms_ = 0;      // that one, so far
  std::uint64_t held_step_ = 0;
  double held_ms_ = 0;
  double for_room_ms_ = 0;
  double all_ms_ = 0;
  double longest_ms_ = 0;
};

}  // namespace cardswap
