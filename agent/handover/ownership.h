#pragma once

#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/job_ownership.h"

namespace cardswap::handover {

/// Answers for the jobs of a host, from the migrations that leave it and the reservations that
/// arrive. Both outlive it.
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
