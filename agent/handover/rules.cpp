#include "agent/handover/rules.h"

namespace cardswap::handover {
namespace {

constexpr std::array<std::string_view, kStates> kNames{
    "planned",   "preparing", "standby_ready", "syncing",  "converged", "freezing", "verifying",
    "committed", "resumed",   "completed",     "aborting", "aborted",   "in_doubt", "superseded"};

}  // namespace

std::string_view to_string(State state) { return kNames.at(static_cast<std::size_t>(state)); }

std::optional<State> state_from_string(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<State>(i);
  }
  return std::nullopt;
}

}  // namespace cardswap::handover
