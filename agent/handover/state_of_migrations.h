#pragma once

#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"

/// What the migrations and reservations of this host together mean for one of its jobs: shown to
/// operators, and asked before a job is stopped or started again.
namespace cardswap {

/// The state that operators see of a process, as its migrations and its reservation make it. It is
/// derived at each call and kept nowhere.
[[nodiscard]] EffectiveState effective_state_of(const Instance& instance,
                                                const Migrations& migrations,
                                                const Reservations& reservations);
/// Checks that an operator may stop the process. Throws Error{conflict} for a source that may be
/// the only good copy of its job, because it is not known that the target got the decision; and for
/// a standby that is on its way here, with what to do instead.
void check_stop(const Instance& instance, const Migrations& migrations,
                const Reservations& reservations);
/// Whether this host may start a failed process again. False also if the record that would tell is
/// damaged: then the log says so.
[[nodiscard]] bool may_restart(const Instance& instance, const Migrations& migrations,
                               const Reservations& reservations);
/// The first thing that an operator must look at, in one line: a superseded copy, a job whose
/// record is damaged, a migration in doubt, a second copy, a rank that is lost. Empty: there is
/// none.
[[nodiscard]] std::string concern_of(const JobList& jobs, const Migrations& migrations,
                                     const RankMoves& rank_moves);

}  // namespace cardswap
