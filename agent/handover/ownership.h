#pragma once

#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/job_ownership.h"

namespace cardswap::handover {

/// Tells the jobs of this host who owns them (JobOwnership), from the migrations by which jobs
/// leave, the reservations by which they arrive, and the moves of ranks. All must outlive it. One
/// thread.
class Ownership final : public JobOwnership {
 public:
  Ownership(Migrations& migrations, Reservations& reservations, RankMoves& rank_moves)
      : migrations_(migrations), reservations_(reservations), rank_moves_(rank_moves) {}

  [[nodiscard]] EffectiveState effective_state_of(const Instance& instance) const override;
  void check_stop(const Instance& instance) const override;
  void on_stop(const Instance& instance) override;
  [[nodiscard]] bool may_restart(const Instance& instance) const override;
  void on_exit(Instance& instance) override;

 private:
  Migrations& migrations_;
  Reservations& reservations_;
  RankMoves& rank_moves_;
};

}  // namespace cardswap::handover
