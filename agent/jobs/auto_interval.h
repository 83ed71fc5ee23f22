#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string_view>

namespace cardswap {

/// What makes an interval as long as it is.
enum class IntervalReason : std::uint8_t {
  unknown_cost,  ///< what a snapshot costs has not been measured so far
  cost,          ///< at this one snapshots and failures together cost the least
  stored_time,   ///< a snapshot takes that long to be stored
  shortest,      ///< no snapshots are taken more often
  longest,       ///< no job goes longer without one
};
constexpr IntervalReason last_of(IntervalReason) { return IntervalReason::longest; }
/// "stored_time".
[[nodiscard]] std::string_view to_string(IntervalReason reason);

/// The interval of a job that is protected by `--every auto`, and what it follows from. A value: it
/// is planned by the functions of snapshots/interval_plan.h.
struct AutoInterval {
  std::int64_t every_ms = 0;  ///< from one snapshot in the store to the next; 0: not planned yet
  IntervalReason reason{};
  double cost_ms = 0;          ///< training that a snapshot costs, a mean of the latest
  std::uint32_t measured = 0;  ///< snapshots whose cost is in that mean; it stops at their number
  std::int64_t stored_ms = 0;  ///< the last one was in the store so long after it was asked for
  std::int64_t mtbf_ms = 0;    ///< the mean time between failures that it was planned for
  bool operator==(const AutoInterval&) const = default;
};

/// The fields under the names of the journal and of the API.
[[nodiscard]] boost::json::object to_json(const AutoInterval& interval);
/// Reads to_json(); what is missing stays at its default. Throws Error{corrupt}.
[[nodiscard]] AutoInterval auto_interval_from(const boost::json::object& record);

}  // namespace cardswap
