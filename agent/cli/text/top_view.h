#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace cardswap::cli {

/// An agent's answers to GET /v1/version, /v1/devices, /v1/jobs and /v1/migrations?running=1, all
/// asked at one time.
struct TopSnapshot {
  boost::json::object version;
  boost::json::object devices;
  boost::json::object jobs;
  boost::json::object migrations;
  std::string lost;  ///< why the agent could not be asked again since; empty: it could
};

/// A line of the view, without escape sequences.
struct TopLine {
  std::string text;
  bool heading = false;  ///< of a table: shown inverted
};

/// The view of `cardswap top`: lines of at most `width` characters, at most `height` of them (0: no
/// limit). Pure.
[[nodiscard]] std::vector<TopLine> top_view(const TopSnapshot& seen, std::size_t width,
                                            std::size_t height);

}  // namespace cardswap::cli
