#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "agent/gang/protocol/gang_protocol.h"

/// The messages of a gang as JSON: an order is the body of the conductor's call to the agent of a
/// rank, and a status is its answer. To a rank's agent that asks for the decision, the conductor's
/// answers with an order.
///
/// The other side may be an agent of another release, a proxy or an attacker: each field must be
/// there, with a value of its type and range. The epoch is not compared here: RankSide and GangSide
/// ignore what is of another gang.
namespace cardswap::gang {

[[nodiscard]] boost::json::object to_json(const Order& order);
/// Reads the body of a call. Throws Error{bad_request} that names the field and does not repeat its
/// value.
[[nodiscard]] Order order_from(const boost::json::object& body);
/// Reads the answer of the conductor's agent at the address `agent`. Throws
/// Error{protocol_mismatch} that names the agent and the field.
[[nodiscard]] Order order_from(const std::string& agent, const boost::json::value& answer);

[[nodiscard]] boost::json::object to_json(const RankStatus& status);
/// Reads the answer of a rank's agent at the address `agent`. Throws Error{protocol_mismatch} that
/// names the agent and the field.
[[nodiscard]] RankStatus rank_status_from(const std::string& agent,
                                          const boost::json::value& answer);

}  // namespace cardswap::gang
