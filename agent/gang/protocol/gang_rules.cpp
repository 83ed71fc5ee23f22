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

}  // namespace cardswap::gang
