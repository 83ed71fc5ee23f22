#include "agent/gang/protocol/rank_rules.h"

namespace cardswap::gang {

std::string_view to_string(RankState state) {
  using enum RankState;
  switch (state) {
    case training: return "training";
    case building: return "building";
    case built: return "built";
    case armed: return "armed";
    case parked: return "parked";
    case bound: return "bound";
    case frozen: return "frozen";
    case ready: return "ready";
    case switched: return "switched";
    case confirmed: return "confirmed";
    case closed: return "closed";
    case retired: return "retired";
    case rolled_back: return "rolled_back";
    case ended: return "ended";
  }
  return {};
}

}  // namespace cardswap::gang
