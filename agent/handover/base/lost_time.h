#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/plan/lateness.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The report of a target's agent about the first steps that the job takes there.
struct FirstStepsReport {
  bool known = false;           ///< the agent's release reports steps at all
  bool began = false;           ///< the first step has begun
  std::vector<double> took_ms;  ///< durations of the finished steps; kStepsAfter at most
  bool over = false;            ///< no further step will be reported
};

/// The steps of a job that moves, as both runtimes timed them. The source's runtime reports its
/// steps from the migration's request on, the target's runtime its first steps; the step between
/// them begins at the source and ends at the target. A value; the source's agent keeps it.
struct LostTime {
  bool has_report = false;  ///< the source's runtime has reported
  Lateness lateness;        ///< lateness of the steps at the source
  double open_ms = 0;       ///< how long the step before the freeze took; 0: it is not frozen
  std::uint32_t after = 0;  ///< steps in `lateness` since the source was released
  bool crossed = false;     ///< the target's first step began
  std::vector<double> first_steps;  ///< durations of the target's first steps, in ms
  bool over = false;                ///< no further report counts
  std::string note;                 ///< why less is known than should be; empty: all is known

  /// Takes a report of the source's runtime. False: nothing changed, or `over` is set.
  bool merge(const channel::LateSteps& report);
  /// Takes a report of the target's agent. False: nothing changed, or `over` is set.
  bool merge(const FirstStepsReport& report);
  /// Sets `over`; `why` becomes the note. Empty: every report was received.
  void end(std::string why);
};

/// The sums of a LostTime.
struct LostTimeSummary {
  double stall_ms = 0;            ///< the largest lateness of one step
  double lost_ms = 0;             ///< the sum of all lateness
  double step_ms = 0;             ///< the median of the steps before the request
  double spread_ms = 0;           ///< how much those steps vary (Pace::spread_ms)
  std::uint32_t steps_after = 0;  ///< counted steps after the move's end; at most kStepsAfter
};
/// The sums. Nullopt: the source's runtime has not reported, or the job's pace before the
/// request is not known. `downtime_ms`: from the end of the source's last step to the beginning of
/// the target's first.
[[nodiscard]] std::optional<LostTimeSummary> summary_of(const LostTime& lost, double downtime_ms);

/// The sums as people are told them.
struct LostTimeView {
  std::optional<LostTimeSummary> summary;  ///< nullopt: not known
  bool is_final = false;                   ///< no further report counts
  std::string note;                        ///< why less is known than should be; or empty
};
[[nodiscard]] LostTimeView view_of(const LostTime& lost, double downtime_ms);
/// The view of a job of many ranks, from those of its ranks. Ranks in lockstep wait for the latest,
/// so the job is as late as the latest of them. What a rank does not tell is left out; only where
/// no rank tells its steps they are not known.
[[nodiscard]] LostTimeView view_of_all(std::span<const LostTimeView> ranks);

/// Adds the sums to `to` under the API's names: null if they are not known, with `lost_note`
/// saying why.
void put_lost(boost::json::object& to, const LostTimeView& view);

[[nodiscard]] boost::json::object to_journal(const LostTime& lost);
/// Reads to_journal(). Missing fields keep their defaults. Throws Error{corrupt} if a number is out
/// of range.
[[nodiscard]] LostTime lost_time_from_journal(const boost::json::object& record);

}  // namespace cardswap
