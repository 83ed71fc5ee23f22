#include "agent/handover/base/decision_answer.h"

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"
#include "agent/handover/base/peer_answers.h"

namespace cardswap {

namespace json = boost::json;
using handover::Decision;

namespace {

constexpr std::string_view kSuperseded = "superseded";
constexpr std::string_view kFrozen = "frozen";

constexpr std::string_view text_of(Decision decision) {
  switch (decision) {
    case Decision::pending: return "pending";
    case Decision::committed: return "committed";
    case Decision::aborted: return "aborted";
  }
  return "pending";
}

}  // namespace

json::object to_json(const DecisionAnswer& answer) {
  const auto& [state_digest, step] = answer.message.content;
  return {{"decision", answer.is_superseded ? kSuperseded : text_of(answer.message.decision)},
          {"epoch", answer.message.epoch},
          {"root", state_digest == Digest{} ? std::string() : to_string(state_digest)},
          {"step", step},
          {"own_epoch", answer.own_epoch},
          {"copy", answer.is_halted ? json::value(kFrozen) : json::value(nullptr)}};
}

DecisionAnswer decision_answer_from(const std::string& agent, handover::Epoch epoch,
                                    handover::TargetState state, const json::value& answer) {
  static const json::object kNothing;
  const auto& fields = answer.is_object() ? answer.get_object() : kNothing;
  DecisionAnswer decided;
  if (handover::is_granted(state) && text_at(fields, "decision") == kSuperseded) {
    decided.is_superseded = true;
    decided.message = {handover::Message::Kind::decision, epoch, {}, Decision::committed};
  } else {
    decided.message = decision_from(agent, epoch, answer);
  }
  const auto own_epoch = number_at(fields, "own_epoch");
  decided.own_epoch = validate::count("own_epoch", own_epoch, validate::kEpochMax);
  decided.is_halted = text_at(fields, "copy") == kFrozen;
  return decided;
}

}  // namespace cardswap
