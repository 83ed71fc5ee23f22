#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>

namespace cardswap::test {

/// When each step began, by the clock of the trainers that ran it (--times), in ms of the steady
/// clock. A job that moved has its steps of both sides in it.
using Begins = std::map<std::int64_t, double>;

[[nodiscard]] Begins begins(const std::filesystem::path& times);

/// Between consecutive ones of the steps from `first` to `last`. Throws where there are none.
[[nodiscard]] double median_interval(const Begins& begins, std::int64_t first, std::int64_t last);

/// When the state of a migration began to go over, in ms of the same clock.
[[nodiscard]] double sync_began_ms(const boost::json::object& migration);

/// What a migration made a job lose, in steps of its own length.
struct Lateness {
  double stall = 0;  ///< the longest that one step came late
  double lost = 0;   ///< all of it
};

/// Of the steps that begin after `since_ms` and up to `last`. A step that is late by less than a
/// tenth of `step_ms` is not: that much they differ anyway.
[[nodiscard]] Lateness lateness(const Begins& begins, double since_ms, std::int64_t last,
                                double step_ms);

}  // namespace cardswap::test
