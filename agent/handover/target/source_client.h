#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/protocol/target_rules.h"

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

/// What the source's agent answers.
struct DecisionAnswer {
  handover::Message message;      ///< the decision
  handover::Epoch own_epoch = 0;  ///< under which its own trainer goes on
  bool stands = false;            ///< its own trainer is a copy that stands for good
};

/// Asks the source's agent of a migration what was decided: TargetClient's mirror.
///
/// The only code that knows that call's path and JSON. Throws Error: what that agent refuses with,
/// Code::unreachable or timed_out, and Code::protocol_mismatch for what is no answer.
[[nodiscard]] boost::asio::awaitable<DecisionAnswer> ask_decision(DecisionQuestion asked);

}  // namespace cardswap
