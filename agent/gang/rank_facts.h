#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/job.h"

namespace cardswap::gang {

/// What the agent of a rank tells the agent that is to conduct a move: asked before it begins.
struct RankFacts {
  std::string host;    ///< the host's own name
  std::string device;  ///< on which the rank runs
  std::uint32_t ranks = 0;
  std::uint64_t epoch = 0;  ///< of the job there
  /// The highest epoch that a move which this agent knows of was to lead the job to, or 0: a rank
  /// may have given it up, and does not build for it a second time.
  std::uint64_t epoch_tried = 0;
  std::uint64_t step = 0;
  double median_step_ms = 0;
  std::uint64_t state_bytes = 0;
  std::string framework;
  std::string why_not;  ///< why it cannot take part now; empty: it can
  std::string hint;     ///< what to do about that
  /// What a start of its program needs, of a rank that is to leave.
  std::optional<JobSpec> program;
  std::vector<std::string> addresses;  ///< of its host; empty: not known
};

/// The facts of a rank whose process is here, without `program`.
[[nodiscard]] RankFacts facts_of(const Instance& instance, std::uint32_t rank,
                                 const std::string& host);

[[nodiscard]] boost::json::object to_json(const RankFacts& facts);
/// Reads the answer of the agent at the address `agent`. Throws Error{protocol_mismatch} that names
/// the agent.
[[nodiscard]] RankFacts rank_facts_from(const std::string& agent, const boost::json::value& answer);

}  // namespace cardswap::gang
