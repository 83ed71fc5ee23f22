#pragma once

#include <cstdint>
#include <span>

#include "migrator/base/archive_of.h"

namespace cardswap {

/// Steps after a move, or after a migration was given up, that still count as its own.
inline constexpr std::uint32_t kStepsAfter = 10;

/// What a job's steps took before anything was asked of it. Milliseconds.
struct Pace {
  static constexpr std::uint32_t kStepsMin = 3;  ///< fewer tell nothing

  double step_ms = 0;       ///< the median
  double spread_ms = 0;     ///< nine of ten took at most so much longer
  std::uint32_t steps = 0;  ///< that it is of

  [[nodiscard]] bool is_known() const { return steps >= kStepsMin; }
  bool operator==(const Pace&) const = default;
};

/// The pace of steps in which nothing was asked of the job; puts them in order. A spread is at
/// least 1 % of the median and 0.1 ms: where all took the same, the next one may still differ by
/// that.
[[nodiscard]] Pace pace_of(std::span<float> took_ms);

/// How late a job's steps are, each measured from its beginning to the beginning of the next one
/// and against the median of those before the request. A value without a clock: it is fed.
///
/// Ordinary jitter must not add up, however many steps there are, and a little that each step loses
/// must. A threshold for each step alone fails at the second, a net sum at the first. So steps
/// count in runs (a CUSUM chart: Page, 1954): a run goes on while its steps, one with another, take
/// more than the median and a spread; it ends when that is made up for, or six spreads of it are.
/// One that never fell behind by more than six spreads is jitter, and counts nothing: of steps as
/// they were before, less than one in a thousand counts. Of any other run all lateness counts, up
/// to the step at which it was furthest behind. A step in which the job was made to stand counts
/// whatever it lost: that was no jitter.
///
/// No allocation, and a few additions a step. Not thread-safe.
class Lateness {
 public:
  /// Begins for a job whose pace is not known: nothing counts.
  Lateness() = default;
  explicit Lateness(const Pace& pace) : pace_(pace) {}

  /// Adds the next step.
  void add(double took_ms);
  /// Adds the next step, in which the job was made to stand.
  void add_stand(double took_ms);

  [[nodiscard]] const Pace& pace() const { return pace_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// The longest that one step was late. At most lost_ms(), and 0 where that is.
  [[nodiscard]] double stall_ms() const;
  /// All lateness so far.
  [[nodiscard]] double lost_ms() const;

  bool operator==(const Lateness&) const = default;

  template <class Archive>
  friend void fields(Archive& a, Of<Archive, Lateness>& m) {
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
  /// Steps that are late one with another.
  struct Run {
    double behind_ms = 0;  ///< beyond the median and a spread, summed
    double late_ms = 0;    ///< beyond the median, summed
    double latest_ms = 0;  ///< the most that one step was
    bool operator==(const Run&) const = default;
  };
  [[nodiscard]] double limit_ms() const { return 6 * pace_.spread_ms; }
  [[nodiscard]] bool is_behind() const { return worst_.behind_ms > limit_ms(); }
  void end_run();

  Pace pace_;
  std::uint64_t steps_ = 0;
  double lost_ms_ = 0;  // of runs that are over
  double stall_ms_ = 0;
  Run run_;
  Run worst_;  // the run as it was when it was furthest behind
};

}  // namespace cardswap
