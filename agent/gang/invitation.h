#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/gang/protocol/rank_rules.h"
#include "agent/handover/base/peer_answers.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap::gang {

/// All that the agent of a rank needs to take part in a gang. Comes with the order to join, and is
/// not on disk: a rank that has not promised anything goes back when its agent is restarted.
struct Invitation {
  std::string job;
  std::uint32_t ranks = 0;  ///< of the job
  Part part = Part::stays;
  std::string conductor;             ///< HOST:PORT of the conductor's agent, the one to ask
  std::string rendezvous;            ///< HOST:PORT where the ranks of the next epoch meet
  std::vector<std::uint32_t> moved;  ///< the ranks that leave
  // Of a rank that leaves:
  MigrationSpec spec{};
  DataEndpoint newcomer{};             ///< where its newcomer receives the state
  std::vector<std::string> addresses;  ///< of the newcomer's host; empty: not known
  double handover_ms = 0;  ///< expected time from equal digests to the grant; 0: unknown
};

[[nodiscard]] boost::json::object to_json(const Invitation& invitation);
/// Reads the field "invitation" of an order; nullopt: it has none. Throws Error{bad_request} that
/// names the field and does not repeat its value.
[[nodiscard]] std::optional<Invitation> invitation_from(const boost::json::object& body);

}  // namespace cardswap::gang
