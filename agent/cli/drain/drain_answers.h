#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/http/client.h"

/// Reads what a drain may not guess from answers of the drained agent. Each throws Error{corrupt}
/// that names the agent.
namespace cardswap::cli {

/// A name that `is_right` accepts: it becomes an argument of the hook or a part of another call.
[[nodiscard]] std::string name_at(const boost::json::object& from, std::string_view key,
                                  bool (*is_right)(std::string_view), const http::Endpoint& agent);
/// Whether a job of an agent's answer trains there, or would again: it is what a drain empties the
/// host of.
[[nodiscard]] bool is_training(const boost::json::object& job);
/// The jobs of an answer to GET /v1/jobs. Empty: the agent has none; an answer without a list must
/// not pass for an empty host, which somebody would switch off.
[[nodiscard]] std::vector<boost::json::object> listed_jobs(const boost::json::object& answer,
                                                           const http::Endpoint& agent);

/// Returns `jobs` with one for all that are ranks of one job of many and train there: those are
/// several to the agent where they came one by one. Its "ranks" are all that are there, each with
/// its "device".
[[nodiscard]] std::vector<boost::json::object> with_ranks_together(
    std::vector<boost::json::object> jobs);

}  // namespace cardswap::cli
