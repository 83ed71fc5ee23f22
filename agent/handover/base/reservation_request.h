#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/handover/protocol/protocol.h"
#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The request of another agent for a reservation. Every field was checked.
struct ReservationRequest {
  std::string migration;
  JobSpec spec;  ///< its uid is empty if the other agent sent none
  std::string device;
  std::uint64_t state_bytes = 0;
  std::uint64_t relocatable_bytes = 0;
  handover::Epoch epoch = 0;
  std::string from;                    ///< "gpu-a/cuda:0", for people
  std::string from_api;                ///< host:port that the source's agent announces; or empty
  std::vector<std::string> addresses;  ///< of the source's host; empty: not known
  std::string framework;
  ArrivalMode arrive = ArrivalMode::standby;
  boost::json::object process;  ///< arrive criu: what its processes need, not yet read
  std::string store;            ///< a snapshot: the address of its store; empty: the job moves
  std::string tag;              ///< a snapshot: its name for people; or empty
  bool encrypt = false;
  bool dry_run = false;
  channel::GangPlace place;  ///< of a newcomer; its gang is empty where a whole job moves
  /// Ranks of the same job are here (RankMoves::may_come_beside_ranks()). Not sent.
  bool has_ranks_here = false;
};

/// The body of that call, as agent/handover/reservation_request_json.h reads it.
[[nodiscard]] boost::json::object to_json(const ReservationRequest& wanted);

}  // namespace cardswap
