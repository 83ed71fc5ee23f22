#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

/// What the move of a rank of a job of many is told besides what every migration is. Each is empty
/// where a whole job moves.
namespace cardswap::cli {

/// The states of the job's ranks, such as "ranks 0 and 2 built, 1 building, newcomer parked".
[[nodiscard]] std::string ranks_text(const boost::json::object& migration);
/// A line of what the communicators took that the ranks exchanged.
[[nodiscard]] std::string communicator_line(const boost::json::object& migration);
/// A row of that, and one of each rank's stall and lost time: names and values.
[[nodiscard]] std::vector<std::vector<std::string>> cost_of_ranks(
    const boost::json::object& migration);

}  // namespace cardswap::cli
