#include "agent/handover/ownership.h"

#include <fmt/format.h>

#include "agent/handover/state_of_migrations.h"

namespace cardswap::handover {

EffectiveState Ownership::effective_state_of(const Instance& instance) const {
  auto now = cardswap::effective_state_of(instance, migrations_, reservations_);
  if (!instance.is_live() || instance.job().newer_epoch != 0) return now;
  const auto hold = rank_moves_.hold_of(instance);
  if (!hold || now.kind == EffectiveState::Kind::in_doubt) return now;
  if (hold->in_doubt) return {EffectiveState::Kind::in_doubt, hold->note};
  const bool is_unexplained = now.kind == EffectiveState::Kind::frozen && now.note.empty();
  if (is_unexplained) now.note = hold->note;
  return now;
}

void Ownership::check_stop(const Instance& instance) const {
  cardswap::check_stop(instance, migrations_, reservations_);
  if (!instance.is_live()) return;
  const auto hold = rank_moves_.hold_of(instance);
  if (!hold || !hold->leaves) return;
  throw Error(
      Code::conflict,
      fmt::format("rank {} of job {} is frozen for migration {}: this may be its only good "
                  "copy",
                  hold->rank, instance.job().name(), hold->migration),
      "it ends by itself when its newcomer has made a step; `cardswap stop --force` ends it "
      "now");
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
