#include "migrator/engine/source/replay/step_waits.h"

#include <algorithm>
#include <utility>

namespace cardswap {

StepWaits::Clock::time_point StepWaits::begin(std::uint64_t step, Clock::time_point now) {
  if (std::exchange(step_, step) != step) step_ms_ = 0;
  if (!max_) return Clock::time_point::max();
  const auto left = *max_ - Milliseconds(step_ms_);
  return now + std::chrono::duration_cast<Clock::duration>(std::max(left, left.zero()));
}

void StepWaits::note_for_room(Clock::time_point start, Clock::time_point now) {
  for_room_ms_ += note(start, now);
}

void StepWaits::note_held(Clock::time_point start, Clock::time_point now) {
  if (std::exchange(held_step_, step_) != step_) held_ms_ = 0;
  held_ms_ += note(start, now);
}

double StepWaits::note(Clock::time_point start, Clock::time_point now) {
  const auto waited_ms = Milliseconds(now - start).count();
  step_ms_ += waited_ms;
  all_ms_ += waited_ms;
  longest_ms_ = std::max(longest_ms_, step_ms_);
  return waited_ms;
}

}  // namespace cardswap
