#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "migrator/wire/follow_messages.h"

namespace cardswap::follow {

/// Where a job of one process, or one rank of a job of many, is; and once it is over, how it ended.
using Outcome = channel::Followed;

/// What one agent says of a rank that came to its host.
struct LocalOutcome {
  Outcome outcome;
  std::string moved_to;  ///< "gpu-c:7070/cuda:0", where to ask next; empty: `outcome` counts
};

[[nodiscard]] boost::json::object to_json(const Outcome& outcome);
[[nodiscard]] boost::json::object to_json(const LocalOutcome& local);
/// Reads to_json() of an Outcome. Throws Error{bad_request} for anything else.
[[nodiscard]] Outcome outcome_from(const boost::json::object& answer);
/// Reads what the agent at `agent` has answered. Throws Error{protocol_mismatch}.
[[nodiscard]] LocalOutcome local_outcome_from(const std::string& agent,
                                              const boost::json::value& answer);

}  // namespace cardswap::follow
