#include "agent/handover/ownership.h"

#include "agent/handover/state_of_migrations.h"

namespace cardswap::handover {

EffectiveState Ownership::effective_state_of(const Instance& instance) const {
  return cardswap::effective_state_of(instance, migrations_, reservations_);
}

void Ownership::check_stop(const Instance& instance) const {
  cardswap::check_stop(instance, migrations_, reservations_);
}

void Ownership::on_stop(const Instance& instance) { migrations_.on_stop(instance); }

bool Ownership::may_restart(const Instance& instance) const {
  return cardswap::may_restart(instance, migrations_, reservations_) &&
         rank_moves_.may_restart(instance);
}

void Ownership::on_exit(Instance& instance) {
  migrations_.on_exit(instance);
  reservations_.on_exit(instance);
  rank_moves_.on_exit(instance);
}

}  // namespace cardswap::handover
