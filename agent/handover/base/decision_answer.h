#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/protocol/target_rules.h"

namespace cardswap {

/// What a source's agent answers a target in doubt.
struct DecisionAnswer {
  handover::Message message;      ///< the decision, its epoch and its content
  bool is_superseded = false;     ///< the migration was outranked before it committed anything
  handover::Epoch own_epoch = 0;  ///< under which the source's own trainer goes on
  bool stands = false;            ///< the source's own trainer is a copy that stands for good
};

[[nodiscard]] boost::json::object to_json(const DecisionAnswer& answer);
/// The answer of the agent at that address to a target in `state` that was reserved for `epoch`. A
/// superseded migration is a commit to a target that has the job already, by an operator's word,
/// and no decision to any other. Throws Error{protocol_mismatch, bad_request}.
[[nodiscard]] DecisionAnswer decision_answer_from(const std::string& agent, handover::Epoch epoch,
                                                  handover::TargetState state,
                                                  const boost::json::value& answer);

}  // namespace cardswap
