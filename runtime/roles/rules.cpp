#include "runtime/roles/rules.h"

namespace cardswap {
namespace {

constexpr std::array<std::string_view, kTrainerStates> kStateNames{
    "training",         "preparing", "syncing",  "freezing",     "put_off",
    "rehearsing",       "frozen",    "verified", "start_failed", "depart_failed",
    "departing",        "departed",  "lost",     "standby",      "standby_rehearsing",
    "standby_verified", "granting",  "granted",  "first_step",   "first_step_done",
    "retired"};
constexpr std::array<std::string_view, kTrainerEvents> kEventNames{
    "begin_sync",       "freeze",           "release",
    "retire",           "grant_fits",       "grant_of_another_state",
    "depart",           "depart_too_early", "arrived",
    "freeze_offered",   "freeze_put_off",   "freeze_holds",
    "rehearsal_due",    "digests_equal",    "state_verified",
    "stands_by",        "engine_began",     "engine_did_not_begin",
    "resumed",          "stepped",          "rehearsed",
    "memory_given",     "memory_kept",      "memory_lost",
    "memory_came_back", "memory_arrived",   "grant_taken",
    "grant_not_taken"};

static_assert(!kStateNames.back().empty() && !kEventNames.back().empty(), "each has a name");

}  // namespace

std::string_view to_string(TrainerState state) {
  return kStateNames.at(static_cast<std::size_t>(state));
}

std::string_view to_string(TrainerEvent event) {
  return kEventNames.at(static_cast<std::size_t>(event));
}

}  // namespace cardswap
