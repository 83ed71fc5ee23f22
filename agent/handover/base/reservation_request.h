#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/api/router.h"
#include "agent/handover/protocol/protocol.h"
#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// What another agent asks for when it asks for a place. Every field of it was checked.
struct ReservationRequest {
  std::string migration;
  JobSpec spec;  ///< its uid is empty where the other agent told none
  std::string device;
  std::uint64_t state_bytes = 0;
  std::uint64_t relocatable_bytes = 0;
  handover::Epoch epoch = 0;
  std::string from;                    ///< "gpu-a/cuda:0", for people
  std::string from_api;                ///< host:port of the source's agent as it says; or empty
  std::vector<std::string> addresses;  ///< of the source's host; none: not known
  std::string framework;
  Arrival arrive = Arrival::standby;
  boost::json::object process;  ///< arrive criu: what its processes need, not yet read
  std::string store;            ///< a keeper holds the state, for this store; empty: the job moves
  std::string tag;
  bool encrypt = false;
  bool dry_run = false;
};

/// The body of that call: what reservation_request_from() reads.
[[nodiscard]] boost::json::object to_json(const ReservationRequest& wanted);
/// Throws Error{bad_request} that names the field and does not repeat what stood there.
[[nodiscard]] ReservationRequest reservation_request_from(const ApiRequest& request);

}  // namespace cardswap
