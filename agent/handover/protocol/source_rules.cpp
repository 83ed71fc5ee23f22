#include "agent/handover/protocol/source_rules.h"

namespace cardswap::handover {
namespace {

constexpr std::array<std::string_view, kStates> kNames{
    "planned",   "preparing", "standby_ready", "syncing",  "converged", "freezing", "verifying",
    "committed", "resumed",   "completed",     "aborting", "aborted",   "in_doubt", "superseded"};

static_assert(!kNames.back().empty(), "each has a name");

}  // namespace

std::string_view to_string(State state) { return kNames.at(static_cast<std::size_t>(state)); }

std::optional<State> state_from_string(std::string_view text) { return named<State>(text); }

}  // namespace cardswap::handover
