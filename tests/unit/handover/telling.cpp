#include <fmt/format.h>

#include "tests/unit/handover/agents.h"

namespace cardswap::handover::model {
namespace {

constexpr std::array kSourceEvents{
    "started",          "standby_parked",   "sync_began",     "downtime_fits",
    "freeze_due",       "trainer_frozen",   "digests_equal",  "digests_differ",
    "target_granted",   "target_resumed",   "target_stepped", "failed or cancelled",
    "target_is_gone",   "target_silent",    "target_unknown", "target_outranks",
    "forced_to_source", "forced_to_target", "cleaned_up",     "trainer_stays",
    "state_captured",   "target_stored"};
constexpr std::array kTargetEvents{
    "reserve",         "standby_started",        "standby_parked",         "standby_verified",
    "grant_fits",      "grant_of_another_epoch", "grant_of_another_state", "drop",
    "standby_resumed", "standby_stepped",        "standby_failed",         "standby_ended",
    "source_silent",   "forced_to_source",       "forced_to_target",       "restarted",
    "taken_back",      "standby_stored"};
constexpr std::array kWords{"",
                            "begin_sync",
                            "freeze",
                            "release",
                            "release after a reclaim",
                            "release by force",
                            "retire",
                            "grant",
                            "grant of another state",
                            "resume"};
constexpr std::array kKinds{"reserve", "poll", "grant", "drop", "decision", "status", "ask"};
constexpr std::array kHows{"arrives",
                           "arrives, and will again",
                           "is lost",
                           "source's agent:",
                           "source's agent says it again",
                           "source's trainer attaches",
                           "source's agent: both sides' bytes compared",
                           "source's agent restarts",
                           "target's agent:",
                           "target's agent: the standby holds the state",
                           "target's trainer attaches",
                           "target's agent tells its state",
                           "target's agent restarts",
                           "target's agent restarts without its journal",
                           "source's trainer obeys",
                           "source's trainer is frozen",
                           "source's trainer goes on: its freeze is put off",
                           "source's trainer goes on: what it was is copied",
                           "source's trainer is to freeze again",
                           "both trainers are to rehearse a step",
                           "source's trainer stands behind the rehearsed step",
                           "standby stands behind the rehearsed step",
                           "source's trainer steps",
                           "source's trainer dies",
                           "source's trainer hears that its job moved, and stays",
                           "target's trainer obeys",
                           "target's trainer steps",
                           "target's trainer dies",
                           "standby parks",
                           "the state arrives",
                           "the state arrives damaged",
                           "source's agent crashes",
                           "target's agent crashes",
                           "the operator stops the source's host",
                           "the operator stops the target's host"};

std::string name_of_message(std::uint8_t code) {
  const auto message = message_of(code);
  std::string text = kKinds.at(static_cast<std::size_t>(message.kind));
  if (message.kind == Message::Kind::status) text += fmt::format(" {}", to_string(message.state));
  if (message.kind == Message::Kind::decision) {
    constexpr std::array kDecisions{"pending", "committed", "aborted"};
    text += fmt::format(" {}", kDecisions.at(static_cast<std::size_t>(message.decision)));
  }
  return fmt::format("{} (epoch {})", text, message.epoch);
}

}  // namespace

std::string to_string(const Step& step) {
  using By = Step::By;
  std::string text = kHows.at(static_cast<std::size_t>(step.by));
  switch (step.by) {
    case By::deliver:
    case By::deliver_twice:
    case By::lose: text = name_of_message(step.detail) + " " + text; break;
    case By::source_event: text += fmt::format(" {}", kSourceEvents.at(step.detail)); break;
    case By::target_event: text += fmt::format(" {}", kTargetEvents.at(step.detail)); break;
    case By::source_trainer_word:
    case By::target_trainer_word: text += fmt::format(" {}", kWords.at(step.detail)); break;
    default: break;
  }
  if (step.cut == Step::kDiskFull) return text + "; the journal refuses";
  if (step.cut != 0) text += fmt::format("; the agent crashes after act {}", step.cut);
  return text;
}

}  // namespace cardswap::handover::model
