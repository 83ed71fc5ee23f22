#include <fmt/format.h>

#include "tests/unit/gang/acting.h"

namespace cardswap::gang::model {
namespace {

constexpr std::array kHows{"is delivered",
                           "is delivered twice",
                           "is lost",
                           "conductor:",
                           "conductor asks rank",
                           "conductor asks newcomer",
                           "conductor restarts",
                           "conductor crashes",
                           "agent of rank",
                           "agent hears that its check is good, rank",
                           "trainer attaches, rank",
                           "agent restarts, rank",
                           "agent crashes, rank",
                           "begins a step, rank",
                           "completes a step, rank",
                           "trainer dies, rank",
                           "agent of newcomer",
                           "parks, newcomer",
                           "holds the state, newcomer",
                           "attaches, newcomer",
                           "agent restarts, newcomer",
                           "agent restarts without its journal, newcomer",
                           "agent crashes, newcomer",
                           "begins a step, newcomer",
                           "completes a step, newcomer",
                           "dies, newcomer",
                           "the state arrives, newcomer",
                           "the state arrives damaged, newcomer"};
constexpr std::array kGangEventNames{
    "started",          "all_built",        "rank_late",   "all_armed",        "all_ready",
    "differs",          "failed",           "rank_lost",   "newcomer_is_gone", "all_gone",
    "newcomer_silent",  "newcomer_unknown", "all_granted", "all_stepped",      "forced_to_source",
    "forced_to_target", "cleaned_up"};
constexpr std::array kRankEventNames{
    "join",          "propose",          "freeze",      "go",      "finish",  "retire",  "release",
    "prepared",      "gate_set",         "gate_passed", "reached", "checked", "stepped", "failed",
    "process_ended", "conductor_silent", "restarted"};
constexpr std::array kWords{"reserve", "poll", "grant", "drop", "decision", "status", "ask"};
static_assert(kGangEventNames.size() == kCountOf<GangEvent>);
static_assert(kRankEventNames.size() == kCountOf<RankEvent>);

std::string text_of(const Letter& letter) {
  switch (static_cast<Letter::Way>(letter.way)) {
    case Letter::Way::none: break;
    case Letter::Way::to_rank:
      return fmt::format("{} (step {}, epoch {}) to rank {}",
                         to_string(static_cast<Order::Kind>(letter.kind)), letter.step,
                         letter.epoch, letter.rank);
    case Letter::Way::from_rank:
      return fmt::format("{} (step {}){} of rank {}",
                         to_string(static_cast<RankState>(letter.kind)), letter.step,
                         letter.asks != 0 ? ", which asks," : "", letter.rank);
    case Letter::Way::to_newcomer:
      return fmt::format("{} {} (epoch {}) to newcomer {}", kWords.at(letter.kind), letter.asks,
                         letter.epoch, letter.rank);
    case Letter::Way::from_newcomer:
      return fmt::format("{} {} of newcomer {}", kWords.at(letter.kind),
                         to_string(static_cast<handover::TargetState>(letter.asks)), letter.rank);
  }
  return "";
}

}  // namespace

std::string to_string(const Step& step) {
  using By = Step::By;
  std::string text = kHows.at(static_cast<std::size_t>(step.by));
  switch (step.by) {
    case By::deliver:
    case By::deliver_twice:
    case By::lose: text = text_of(step.letter) + " " + text; break;
    case By::gang_event: text += fmt::format(" {}", kGangEventNames.at(step.detail)); break;
    case By::rank_event:
      text += fmt::format(" {}: {}", step.rank, kRankEventNames.at(step.detail));
      break;
    case By::newcomer_event: text += fmt::format(" {}: event {}", step.rank, step.detail); break;
    case By::gang_recovers:
    case By::gang_crashes: break;
    default: text += fmt::format(" {}", step.rank);
  }
  if (step.cut == Step::kDiskFull) return text + "; the journal refuses";
  if (step.cut != 0) text += fmt::format("; the agent crashes after act {}", step.cut);
  return text;
}

}  // namespace cardswap::gang::model
