#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/base/decision_answer.h"

namespace cardswap {

/// What a target in doubt asks its source's agent.
struct DecisionQuestion {
  std::string agent;  ///< the source's, as HOST:PORT
  /// The only one that may answer: the name in the certificate of whoever reserved the place.
  std::string only_of;
  std::string migration;
  handover::Epoch epoch = 0;      ///< that the place is for
  handover::TargetState state{};  ///< the target's own
};

/// Asks the source's agent of a migration what was decided: TargetClient's mirror.
///
/// The only code that knows that call's path. Throws Error: what that agent refuses with,
/// Code::unreachable or timed_out, and Code::protocol_mismatch for what is no answer.
[[nodiscard]] boost::asio::awaitable<DecisionAnswer> ask_decision(DecisionQuestion asked);

}  // namespace cardswap
