#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>

namespace cardswap::test {

/// When each step began, by number, as the trainers that ran them wrote it (--times): in ms of the
/// steady clock. For a job that moved it has the steps of both sides.
using Begins = std::map<std::int64_t, double>;

[[nodiscard]] Begins begins(const std::filesystem::path& times);

/// The median time from one step's begin to the next one's, of the steps from `first` to `last`.
/// Throws std::runtime_error if no two consecutive ones are known.
[[nodiscard]] double median_interval(const Begins& begins, std::int64_t first, std::int64_t last);

/// When the migration began to send the state (when it started, if it never did), in ms of the same
/// clock.
[[nodiscard]] double sync_began_ms(const boost::json::object& migration);

/// What a migration cost a job, in steps of the job's usual length.
struct StepLateness {
  double stall = 0;  ///< the most that one step was late
  double lost = 0;   ///< the lateness of all steps together
};

/// The lateness of the steps that begin at or after `since_ms`, up to `last`. Less than a tenth of
/// `step_ms` does not count: steps differ by that much anyway.
[[nodiscard]] StepLateness lateness(const Begins& begins, double since_ms, std::int64_t last,
                                    double step_ms);

}  // namespace cardswap::test
