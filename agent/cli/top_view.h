#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace cardswap::cli {

/// One look at an agent: its answers to GET /v1/version, /v1/devices, /v1/jobs and
/// /v1/migrations?running=1.
struct TopSnapshot {
  boost::json::object version;
  boost::json::object devices;
  boost::json::object jobs;
  boost::json::object migrations;
  std::string lost;  ///< why there is no later look than this one
};

/// A line of the view.
struct TopLine {
  std::string text;
  bool heading = false;
};

/// `cardswap top` as lines of at most `width` characters, at most `height` of them (0: all). Pure.
[[nodiscard]] std::vector<TopLine> top_view(const TopSnapshot& seen, std::size_t width,
                                            std::size_t height);

}  // namespace cardswap::cli
