#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/base/decision_answer.h"

namespace cardswap {

/// The question of a target in doubt to its source's agent.
struct DecisionQuestion {
  std::string agent;  ///< the address of the source's agent, as HOST:PORT
  /// The name in the certificate of the agent that made the reservation: only that agent may
  /// answer. Empty: agents have no certificates.
  std::string only_of;
  std::string migration;
  handover::Epoch epoch = 0;      ///< the reservation's
  handover::TargetState state{};  ///< the target's own
};

/// Asks the source's agent of a migration what was decided: the counterpart of TargetClient.
///
/// The only code that knows the path of that call. Waits 2 s at most. Throws Error: the agent's own
/// error, Code::unreachable or timed_out, Code::protocol_mismatch for an answer that cannot be
/// read, Code::bad_request for `agent` that is no address.
[[nodiscard]] boost::asio::awaitable<DecisionAnswer> ask_decision(DecisionQuestion asked);

}  // namespace cardswap
