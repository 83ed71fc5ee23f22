#include "agent/handover/protocol/target_rules.h"

namespace cardswap::handover {
namespace {

constexpr std::array<std::string_view, kTargetStates> kTargetNames{
    "nothing", "reserved",  "starting", "parked", "verified",  "granted",
    "resumed", "completed", "stopping", "failed", "superseded"};

static_assert(!kTargetNames.back().empty(), "each has a name");

}  // namespace

std::string_view to_string(TargetState state) {
  return kTargetNames.at(static_cast<std::size_t>(state));
}

std::optional<TargetState> target_state_from_string(std::string_view text) {
  return named<TargetState>(text);
}

}  // namespace cardswap::handover
