#pragma once

#include "agent/jobs/effective_state.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Answers questions about a job's process that depend on migrations: whether it may be stopped or
/// started again, and whether its state is in doubt. The folder jobs/ knows no migrations, so it
/// asks through this interface; handover::Ownership implements it. The agent's thread.
class JobOwnership {
 public:
  /// The state of the process as operators see it.
  [[nodiscard]] virtual EffectiveState effective_state_of(const Instance& instance) const = 0;
  /// Throws Error{conflict} if stopping this process now could end the only good copy of its job.
  virtual void check_stop(const Instance& instance) const = 0;
  /// A live process is about to be asked to end. One that stands for a migration is made to go on,
  /// so that it can hear that.
  virtual void on_stop(const Instance& instance) = 0;
  /// Whether a process that failed may be started again here: not if it may run elsewhere.
  [[nodiscard]] virtual bool may_restart(const Instance& instance) const = 0;
  /// A process has ended; its record says so already.
  virtual void on_exit(Instance& instance) = 0;

 protected:
  JobOwnership() = default;
  JobOwnership(const JobOwnership&) = default;
  JobOwnership& operator=(const JobOwnership&) = default;
  ~JobOwnership() = default;
};

}  // namespace cardswap
