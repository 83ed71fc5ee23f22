#include "runtime/roles/rules.h"

namespace cardswap {

std::string_view to_string(TrainerState state) {
  using enum TrainerState;
  switch (state) {
    case training: return "training";
    case preparing: return "preparing";
    case syncing: return "syncing";
    case freezing: return "freezing";
    case put_off: return "put_off";
    case rehearsing: return "rehearsing";
    case frozen: return "frozen";
    case verified: return "verified";
    case copied: return "copied";
    case start_failed: return "start_failed";
    case depart_failed: return "depart_failed";
    case departing: return "departing";
    case departed: return "departed";
    case lost: return "lost";
    case standby: return "standby";
    case standby_rehearsing: return "standby_rehearsing";
    case standby_verified: return "standby_verified";
    case granting: return "granting";
    case granted: return "granted";
    case first_step: return "first_step";
    case first_step_done: return "first_step_done";
    case retired: return "retired";
  }
  return {};
}

std::string_view to_string(TrainerEvent event) {
  using enum TrainerEvent;
  switch (event) {
    case begin_sync: return "begin_sync";
    case freeze: return "freeze";
    case release: return "release";
    case retire: return "retire";
    case grant_fits: return "grant_fits";
    case grant_of_another_state: return "grant_of_another_state";
    case depart: return "depart";
    case depart_refused: return "depart_refused";
    case arrived: return "arrived";
    case freeze_offered: return "freeze_offered";
    case freeze_put_off: return "freeze_put_off";
    case freeze_holds: return "freeze_holds";
    case state_copied: return "state_copied";
    case rehearsal_due: return "rehearsal_due";
    case digests_equal: return "digests_equal";
    case state_verified: return "state_verified";
    case stands_by: return "stands_by";
    case engine_began: return "engine_began";
    case engine_did_not_begin: return "engine_did_not_begin";
    case resumed: return "resumed";
    case stepped: return "stepped";
    case rehearsed: return "rehearsed";
    case memory_given: return "memory_given";
    case memory_kept: return "memory_kept";
    case memory_lost: return "memory_lost";
    case memory_recalled: return "memory_recalled";
    case memory_arrived: return "memory_arrived";
    case grant_taken: return "grant_taken";
    case grant_not_taken: return "grant_not_taken";
  }
  return {};
}

}  // namespace cardswap
