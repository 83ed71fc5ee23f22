#include "agent/gang/protocol/rank_rules.h"

namespace cardswap::gang {
namespace {

constexpr std::array<std::string_view, kRankStates> kRankNames{
    "training", "building", "built",     "armed",  "standing", "bound",       "held",
    "ready",    "switched", "confirmed", "closed", "retired",  "rolled_back", "ended"};

static_assert(!kRankNames.back().empty(), "each has a name");

}  // namespace

std::string_view to_string(RankState state) {
  return kRankNames.at(static_cast<std::size_t>(state));
}

std::optional<RankState> rank_state_from_string(std::string_view text) {
  return named<RankState>(text);
}

}  // namespace cardswap::gang
