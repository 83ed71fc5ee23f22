#pragma once

#include <cstdint>
#include <span>

#include "migrator/base/fields_of.h"

namespace cardswap {

/// How many steps after a migration, whether it was completed or given up, still count as its own.
inline constexpr std::uint32_t kStepsAfter = 10;

/// The durations of a job's steps before its migration was requested, in milliseconds.
struct Pace {
  static constexpr std::uint32_t kStepsMin = 3;  ///< with fewer steps the pace is not known

  double step_ms = 0;       ///< the median
  double spread_ms = 0;     ///< nine of ten steps took at most this much longer than the median
  std::uint32_t steps = 0;  ///< how many steps were measured

  [[nodiscard]] bool is_known() const { return steps >= kStepsMin; }
  bool operator==(const Pace&) const = default;
};

/// Computes the pace from the durations of steps before the request; sorts `took_ms`. The spread is
/// at least 1 % of the median and at least 0.1 ms, because equal durations are no promise for the
/// next step.
[[nodiscard]] Pace pace_of(std::span<float> took_ms);

/// How late a job's steps are. A step lasts from its beginning to the beginning of the next one,
/// and is compared with the median before the request. A value without a clock: the caller adds
/// durations.
///
/// Ordinary jitter must not add up over many steps, but a small delay in every step must. A
/// threshold for each single step would miss the second, and a net sum would count the first. So
/// steps are counted in runs (a CUSUM chart: Page, 1954). A run is behind by the sum of what its
/// steps took beyond the median and a spread. It ends when it is no longer behind, or has caught up
/// by six spreads. A run that was never behind by more than six spreads is jitter and counts
/// nothing; of steps as they were before the request, fewer than one in a thousand counts. Of any
/// other run all lateness counts, up to the step at which it was furthest behind. A step in which
/// the job was parked always counts in full.
///
/// No allocation, and a few additions for each step. Not thread-safe.
class Lateness {
 public:
  /// Makes one for a job whose pace is not known: nothing counts.
  Lateness() = default;
  explicit Lateness(const Pace& pace) : pace_(pace) {}

  /// Adds the next step.
  void add(double took_ms);
  /// Adds the next step, in which the job was parked.
  void add_parked(double took_ms);

  [[nodiscard]] const Pace& pace() const { return pace_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// The longest delay of one step; at most lost_ms().
  [[nodiscard]] double stall_ms() const;
  /// The sum of all delays so far.
  [[nodiscard]] double lost_ms() const;

  bool operator==(const Lateness&) const = default;

  template <class Archive>
  friend void fields(Archive& a, FieldsOf<Archive, Lateness>& m) {
    a("step_ms", m.pace_.step_ms);
    a("spread_ms", m.pace_.spread_ms);
    a("steps_before", m.pace_.steps);
    a("steps", m.steps_);
    a("lost_ms", m.lost_ms_);
    a("stall_ms", m.stall_ms_);
    a("behind_ms", m.run_.behind_ms);
    a("late_ms", m.run_.late_ms);
    a("latest_ms", m.run_.latest_ms);
    a("worst_behind_ms", m.worst_.behind_ms);
    a("worst_late_ms", m.worst_.late_ms);
    a("worst_latest_ms", m.worst_.latest_ms);
  }

 private:
  /// Steps in a row that are late on average.
  struct Run {
    double behind_ms = 0;  ///< sum of the time beyond the median and a spread
    double late_ms = 0;    ///< sum of the time beyond the median
    double latest_ms = 0;  ///< the longest delay of one step
    bool operator==(const Run&) const = default;
  };
  [[nodiscard]] double limit_ms() const { return 6 * pace_.spread_ms; }
  [[nodiscard]] bool is_behind() const { return worst_.behind_ms > limit_ms(); }
  void end_run();

  Pace pace_;
  std::uint64_t steps_ = 0;
  double lost_ms_ = 0;  // of runs that have ended
  double stall_ms_ = 0;
  Run run_;
  Run worst_;  // the run as it was when it was furthest behind
};

}  // namespace cardswap
