#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/gang/rank_cost.h"
#include "agent/handover/base/lost_time.h"

namespace cardswap::gang {

/// When somebody was in which state, in Unix time (ms), as the conductor heard of it.
using StateTimes = std::vector<std::pair<std::string, std::int64_t>>;

/// What a gang costs its job: how late each rank's steps are, what the communicators took, and when
/// each rank was in which state. A value, which the conductor keeps in its record.
///
/// The steps after the gang count too, so it grows after the gang's end until is_over().
struct GangCost {
  /// The part of one rank; of a rank that moves both its processes.
  struct OfRank {
    LostTime lost;
    StateTimes states;
    StateTimes newcomer;  ///< of a rank that moves: the states of its newcomer
  };
  std::vector<OfRank> ranks;  ///< by rank; empty in the record of an earlier release
  double build_ms = 0;        ///< the longest of a rank that stays; so are the next two
  double try_ms = 0;
  double exchange_ms = 0;

  /// Takes what the agent of a rank says. False: nothing changed.
  bool note(std::uint32_t rank, const RankCost& cost);
  /// Takes what the agent of a rank's newcomer says. False: nothing changed.
  bool note(std::uint32_t rank, const FirstStepsReport& steps);
  /// A rank, or its newcomer, is heard to be in a state; the same one again changes nothing.
  void note_state(std::uint32_t rank, std::string_view state, std::int64_t at_ms);
  void note_newcomer(std::uint32_t rank, std::string_view state, std::int64_t at_ms);
  /// Waits no more for steps of a rank that has not told them all; `why` becomes its note.
  void end(std::uint32_t rank, const std::string& why);

  /// Whether the steps of a rank are all known, or given up.
  [[nodiscard]] bool is_over(std::uint32_t rank) const;
  [[nodiscard]] bool is_over() const;
  /// The longest median of a step before the gang; 0: none is known.
  [[nodiscard]] double step_ms() const;
  /// The lost time of the job, and of one rank. `downtime_ms`: of the ranks that move.
  [[nodiscard]] LostTimeView lost(double downtime_ms) const;
  [[nodiscard]] LostTimeView lost(std::uint32_t rank, double downtime_ms) const;
};

/// What the communicators took, as the API has it; null: it is not known.
[[nodiscard]] boost::json::value communicator_json(const GangCost& cost);
/// [{"state", "at_ms"}].
[[nodiscard]] boost::json::array states_json(const StateTimes& states);

[[nodiscard]] boost::json::object to_journal(const GangCost& cost);
/// Reads to_journal(). Throws Error{corrupt} if a number is out of range.
[[nodiscard]] GangCost gang_cost_from_journal(const boost::json::object& record);

}  // namespace cardswap::gang
