#include "agent/gang/protocol/gang_rules.h"

namespace cardswap::gang {
namespace {

constexpr std::array<std::string_view, kGangStates> kGangNames{
    "planned",   "preparing", "agreeing", "holding",  "committed",  "resumed",
    "completed", "aborting",  "aborted",  "in_doubt", "reclaiming", "broken"};

static_assert(!kGangNames.back().empty(), "each has a name");

}  // namespace

std::string_view to_string(GangState state) {
  return kGangNames.at(static_cast<std::size_t>(state));
}

std::optional<GangState> gang_state_from_string(std::string_view text) {
  return named<GangState>(text);
}

}  // namespace cardswap::gang
