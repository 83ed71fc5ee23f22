#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <string>

/// What a migration cost its job, as people read it first.
namespace cardswap::cli {

/// "stall 790 ms (16 steps), lost 1.9 s (39 steps of 49 ms)", what of it is not known yet, and why
/// less is known than should be. Empty where nothing was told.
[[nodiscard]] std::string lost_line(const boost::json::object& migration);
/// So far, for a line that has little room: "lost 1.9 s (39 steps)". Empty where that is nothing.
[[nodiscard]] std::string lost_so_far(const boost::json::object& migration);
/// "1.9 s", "1.9 s+" where more may come, "-" where it is not known.
[[nodiscard]] std::string lost_cell(const boost::json::object& migration, std::string_view key);
/// Whether the steps that are still to be heard of can be over within `wait`.
[[nodiscard]] bool is_final_within(const boost::json::object& migration,
                                   std::chrono::milliseconds wait);

}  // namespace cardswap::cli
