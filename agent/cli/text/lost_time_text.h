#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <string>

/// Texts about the time that a migration cost its job. `migration` is as the API answers it.
namespace cardswap::cli {

/// "stall 790 ms (16 steps), lost 1.9 s (39 steps), a step took 49 ms", with what is not known yet
/// and why, and a line feed. Empty if the agent told nothing about lost time.
[[nodiscard]] std::string lost_line(const boost::json::object& migration);
/// "lost 1.9 s (39 steps)", for a line with little room. Empty if nothing was lost so far.
[[nodiscard]] std::string lost_so_far(const boost::json::object& migration);
/// The duration in field `key`: "1.9 s", "1.9 s+" if it may still grow, "-" if it is not known.
[[nodiscard]] std::string lost_cell(const boost::json::object& migration, std::string_view key);
/// Whether lost time is known but not final, and the steps that are still counted can be over
/// within `wait`: whether it is worth waiting.
[[nodiscard]] bool is_final_within(const boost::json::object& migration,
                                   std::chrono::milliseconds wait);

}  // namespace cardswap::cli
