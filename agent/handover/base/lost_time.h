#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migrator/plan/lateness.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// What a target's agent tells of the first steps there.
struct FirstStepsReport {
  bool known = false;           ///< its release tells
  bool began = false;           ///< the first one
  std::vector<double> took_ms;  ///< those that are over; kStepsAfter at most
  bool over = false;            ///< no other follows
};

/// The steps of a job that moves, as both runtimes timed them. The source's runtime tells those
/// from the request on, the target's tells its first ones; between them lies the step that crosses
/// over. A value of the source's agent.
struct LostTime {
  bool has_report = false;          ///< by the source's runtime
  Lateness lateness;                ///< of the steps there
  double open_ms = 0;               ///< the one at whose end it stands, up to there
  std::uint32_t after = 0;          ///< of those, since it was let go
  bool crossed = false;             ///< the target's first step began
  std::vector<double> first_steps;  ///< what the target's first steps took
  bool over = false;                ///< nothing more will be heard
  std::string note;                 ///< why less is known than should be

  /// Takes the source's runtime's word. False: nothing new.
  bool merge(const channel::LateSteps& report);
  /// Takes the target's agent's word. False: nothing new.
  bool merge(const FirstStepsReport& report);
  /// Ends the hearing, because of `why`; empty: all was heard.
  void end(std::string why);
};

/// What it sums up to. Milliseconds.
struct LostTimeSummary {
  double stall_ms = 0;  ///< the longest that one step was late
  double lost_ms = 0;   ///< all lateness
  double step_ms = 0;   ///< the median of the steps before the request
  double spread_ms = 0;
  std::uint32_t steps_after = 0;  ///< that are in it, of kStepsAfter after the move or its end
};
/// The figures; nothing where nothing was told, or the pace before is not known. `downtime_ms`:
/// from the end of the source's last step to the beginning of the target's first.
[[nodiscard]] std::optional<LostTimeSummary> summary_of(const LostTime& lost, double downtime_ms);

/// Puts the figures under the names of the API: null where they are not known, and why.
void put_lost(boost::json::object& to, const LostTime& lost, double downtime_ms);

[[nodiscard]] boost::json::object journal_record(const LostTime& lost);
[[nodiscard]] LostTime lost_time_from_journal(const boost::json::object& record);

}  // namespace cardswap
