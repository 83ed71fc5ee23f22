#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "agent/gang/protocol/rank_side.h"
#include "agent/process/process.h"

namespace cardswap::gang {

/// The key in the journal of the record of a rank of a gang.
[[nodiscard]] inline std::string key_of_rank(const std::string& gang, std::uint32_t rank) {
  return gang + "/" + std::to_string(rank);
}

/// The journal's record of a rank of a gang, at the rank's agent.
struct RankRecord {
  std::string gang;
  std::string job;
  std::string instance;  ///< whose process tree has the rank
  std::uint32_t rank = 0;
  std::uint32_t ranks = 0;  ///< of the job
  std::string conductor;    ///< HOST:PORT of the agent to ask
  /// The conductor's agent, by its certificate's name: nobody else may order. Empty: agents have no
  /// certificates, or it is this agent.
  std::string owner;
  ProcessId process;  ///< the rank's, when it joined
  std::string to;     ///< of a rank that leaves: HOST:PORT/DEVICE
  RankDurable side;
  bool has_promised = false;  ///< it is `ready`, or was until its process ended
  std::int64_t started_at_ms = 0;
  std::int64_t ended_at_ms = 0;  ///< when nothing was left to do for it; 0: something is

  /// The key of its record in the journal.
  [[nodiscard]] std::string key() const { return key_of_rank(gang, rank); }
};

[[nodiscard]] boost::json::object to_journal(const RankRecord& record);
/// Reads to_journal(). Throws Error{corrupt} for what decides and cannot be read.
[[nodiscard]] RankRecord rank_record_from_journal(const boost::json::object& from);

}  // namespace cardswap::gang
