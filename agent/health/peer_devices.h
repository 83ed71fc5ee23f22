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

/// An agent that jobs may move to.
struct Peer {
  std::string address;  ///< "gpu-b:7070"
  bool self = false;
};

/// What the agent at `address` answered to GET /v1/devices, for place(). `only`: "HOST:PORT/DEVICE"
/// of those that are allowed, "HOST:PORT/" for all of a host; empty: all. Throws nothing: what is
/// no device is left out.
[[nodiscard]] std::vector<PlacementDevice> devices_from(const boost::json::value& answer,
                                                        const std::string& address,
                                                        const std::vector<std::string>& only);

/// The devices of all peers that answer. Asks all peers at once, each for 1.5 s at most; after the
/// first answer waits 0.5 s at most for the others.
[[nodiscard]] asio::awaitable<std::vector<PlacementDevice>> ask_peers(
    TaskGroup& tasks, std::vector<Peer> peers, std::vector<std::string> only);

/// "HOST:PORT" of "HOST[:PORT]/DEVICE" and of "HOST[:PORT]". Throws Error{bad_request}.
[[nodiscard]] std::string agent_of(const std::string& destination);
/// "HOST:PORT/DEVICE", or "HOST:PORT/" where no device is named.
[[nodiscard]] std::string target_of(const std::string& destination);

}  // namespace cardswap::health
