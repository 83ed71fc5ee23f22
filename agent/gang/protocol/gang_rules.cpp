#include "agent/gang/protocol/gang_rules.h"

namespace cardswap::gang {

std::string_view to_string(GangState state) {
  using enum GangState;
  switch (state) {
    case planned: return "planned";
    case preparing: return "preparing";
    case agreeing: return "agreeing";
    case freezing: return "freezing";
    case committed: return "committed";
    case resumed: return "resumed";
    case completed: return "completed";
    case aborting: return "aborting";
    case aborted: return "aborted";
    case in_doubt: return "in_doubt";
    case reclaiming: return "reclaiming";
    case broken: return "broken";
  }
  return {};
}

std::string_view to_string(GangEvent event) {
  using enum GangEvent;
  switch (event) {
    case started: return "started";
    case all_built: return "all_built";
    case rank_late: return "rank_late";
    case all_armed: return "all_armed";
    case all_ready: return "all_ready";
    case differs: return "differs";
    case failed: return "failed";
    case rank_lost: return "rank_lost";
    case newcomer_is_gone: return "newcomer_is_gone";
    case all_gone: return "all_gone";
    case newcomer_silent: return "newcomer_silent";
    case newcomer_unknown: return "newcomer_unknown";
    case all_granted: return "all_granted";
    case all_stepped: return "all_stepped";
    case forced_to_source: return "forced_to_source";
    case forced_to_target: return "forced_to_target";
    case cleaned_up: return "cleaned_up";
  }
  return {};
}

}  // namespace cardswap::gang
