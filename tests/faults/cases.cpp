#include "tests/faults/cases.h"

#include <ostream>

namespace cardswap::test {

std::string to_string(Damage damage) {
  switch (damage) {
    case Damage::cancel: return "Cancel";
    case Damage::kill_source_trainer: return "KillSourceTrainer";
    case Damage::kill_standby: return "KillStandby";
    case Damage::kill_source_agent: return "KillSourceAgent";
    case Damage::kill_target_agent: return "KillTargetAgent";
    case Damage::kill_both_agents: return "KillBothAgents";
    case Damage::restart_target_agent: return "RestartTargetAgent";
    case Damage::restart_both_agents: return "RestartBothAgents";
    case Damage::cut_link: return "CutLink";
    case Damage::cut_and_heal_link: return "CutAndHealLink";
    case Damage::fill_source_disk: return "FillSourceDisk";
    case Damage::fill_target_disk: return "FillTargetDisk";
  }
  return "";
}

std::string to_string(const Case& test) {
  return to_string(test.damage) + "_" + std::string(handover::to_string(test.held.state)) +
         (test.ignores_moved ? "_IgnoringThatItMoved" : "");
}

std::ostream& operator<<(std::ostream& out, const Case& test) { return out << to_string(test); }

Owner Case::owner() const {
  if (before_commit()) {
    if (damage == Damage::kill_source_trainer) return Owner::nobody;
    // A flap may be too short to be seen. A standby may have recorded that it holds the state
    // before its disk was full: its source is free to commit then, and is in doubt until the grant
    // fits.
    const bool may_be_verified = held.state == handover::SourceState::freezing ||
                                 held.state == handover::SourceState::verifying;
    const bool either = damage == Damage::cut_and_heal_link ||
                        (damage == Damage::fill_target_disk && may_be_verified);
    return either ? Owner::either : Owner::source;
  }
  const bool granted = held.state == handover::SourceState::resumed;
  switch (damage) {
    // The standby has the state in memory alone, and goes with its agent until it has the grant.
    case Damage::kill_target_agent:
    case Damage::kill_both_agents:
    case Damage::restart_target_agent:
    case Damage::restart_both_agents:
    // Nobody can ask: the operator takes the job back as long as the grant was not sent.
    case Damage::cut_link: return granted ? Owner::target : Owner::source;
    case Damage::kill_standby: return Owner::source;
    default: return Owner::target;
  }
}

std::vector<Case> all_cases(ArrivalMode arrive) {
  std::vector<Case> cases;
  for (const auto damage : kDamages) {
    for (const auto& held : kHeld) {
      if (held.by == Held::By::nothing) continue;
      if (held.by == Held::By::standby && arrive == ArrivalMode::criu) continue;
      // What is committed cannot be cancelled: exit_codes_test has the refusal.
      if (damage == Damage::cancel && handover::is_committed(held.state)) continue;
      const bool restarts =
          damage == Damage::restart_target_agent || damage == Damage::restart_both_agents;
      if (restarts && arrive == ArrivalMode::criu) continue;
      cases.push_back({damage, held, arrive});
      const bool ends_its_process = damage == Damage::kill_source_agent ||
                                    damage == Damage::restart_both_agents ||
                                    damage == Damage::cut_and_heal_link;
      if (ends_its_process && !cases.back().before_commit() &&
          cases.back().owner() == Owner::target && arrive == ArrivalMode::standby) {
        cases.push_back({damage, held, arrive, true});
      }
    }
  }
  return cases;
}

}  // namespace cardswap::test
