#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/protocol/target_rules.h"

namespace cardswap {

/// The answer of a source's agent to a target in doubt: what was decided.
struct DecisionAnswer {
  handover::Message message;   ///< the decision, its epoch and its content
  bool is_superseded = false;  ///< the source gave up; then the target stepped under a higher epoch
  handover::Epoch own_epoch = 0;  ///< the epoch under which the source's own trainer goes on
  bool stands = false;            ///< the source's own trainer stands for good as the lower copy
};

[[nodiscard]] boost::json::object to_json(const DecisionAnswer& answer);
/// Reads the answer that the agent at the address `agent` gave to a target in `state`, reserved for
/// `epoch`. "superseded" is read as a commit by a target that an operator has given the job
/// already; any other target refuses it as no decision. Throws Error{protocol_mismatch,
/// bad_request}.
[[nodiscard]] DecisionAnswer decision_answer_from(const std::string& agent, handover::Epoch epoch,
                                                  handover::TargetState state,
                                                  const boost::json::value& answer);

}  // namespace cardswap
