#pragma once

#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/job_ownership.h"

namespace cardswap::handover {

/// Tells the jobs of this host who owns them (JobOwnership), from the migrations by which jobs
/// leave and the reservations by which they arrive. Both must outlive it. One thread.
class Ownership final : public JobOwnership {
 public:
  Ownership(Migrations& migrations, Reservations& reservations)
      : migrations_(migrations), reservations_(reservations) {}

  [[nodiscard]] EffectiveState effective_state_of(const Instance& instance) const override;
  void check_stop(const Instance& instance) const override;
  void on_stop(const Instance& instance) override;
  [[nodiscard]] bool may_restart(const Instance& instance) const override;
  void on_exit(Instance& instance) override;

 private:
  Migrations& migrations_;
  Reservations& reservations_;
};

}  // namespace cardswap::handover
