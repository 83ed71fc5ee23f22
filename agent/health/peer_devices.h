#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/base/task_group.h"
#include "agent/health/decisions/decision_engine.h"
#include "agent/placement/placement.h"

namespace cardswap::health {

/// An agent to which jobs may move.
struct PeerAgent {
  std::string address;  ///< "gpu-b:7070"
  bool self = false;    ///< this agent, for another device of its host
};

/// The devices in an answer of the agent at `address` to GET /v1/devices, for place(). `only` has
/// the allowed devices, "HOST:PORT/DEVICE", or "HOST:PORT/" for all of a host; empty: all are
/// allowed. Skips what is not a device; throws no Error.
[[nodiscard]] std::vector<PlacementDevice> devices_from(const boost::json::value& answer,
                                                        const std::string& address,
                                                        const std::vector<std::string>& only);

/// The devices of all peers that answer. Asks all of them at once and waits at most 1.5 s; after
/// the first answer with devices at most 0.5 s for the others. Peers that do not answer are logged
/// and left out.
[[nodiscard]] asio::awaitable<std::vector<PlacementDevice>> ask_peers(
    TaskGroup& tasks, std::vector<PeerAgent> peers, std::vector<std::string> only);

/// "HOST:PORT" of "HOST[:PORT]/DEVICE" or of "HOST[:PORT]". Throws Error{bad_request}.
[[nodiscard]] std::string agent_of(const std::string& destination);
/// "HOST:PORT/DEVICE" of the same texts; "HOST:PORT/" if no device is named. Throws
/// Error{bad_request}.
[[nodiscard]] std::string canonical_destination(const std::string& destination);

}  // namespace cardswap::health
