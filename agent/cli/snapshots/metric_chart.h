#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <functional>
#include <string>

namespace cardswap::cli {

/// How many colors branches have: the classes b0, b1 ... of the page's style sheet.
inline constexpr std::size_t kBranchColors = 6;

/// Draws a metric of a job's snapshots over their steps, a line for each branch, as a section of
/// the page of history_page(): "loss" if two snapshots have it, else the first that two have.
/// Empty: there is none. `color_of` gives the color of a snapshot's branch.
[[nodiscard]] std::string metric_chart(
    const boost::json::object& history,
    const std::function<std::size_t(const boost::json::object&)>& color_of);

}  // namespace cardswap::cli
