#pragma once

#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"

namespace cardswap {

/// What a process's migrations make of it, for those who look: derived each time, kept nowhere.
[[nodiscard]] EffectiveState effective_state_of(const Instance& instance,
                                                const Migrations& migrations,
                                                const Reservations& reservations);
/// Throws Error{conflict} for a source that may be the only good copy of its job: what was decided
/// is not known to have reached the target.
void check_stop(const Instance& instance, const Migrations& migrations,
                const Reservations& reservations);
/// Whether a process that failed is this host's to start again; says so where that is not known.
[[nodiscard]] bool may_restart(const Instance& instance, const Migrations& migrations,
                               const Reservations& reservations);
/// The worst of all that an operator must look at, in one line; empty: nothing.
[[nodiscard]] std::string concern_of(const JobTable& jobs, const Migrations& migrations);

}  // namespace cardswap
