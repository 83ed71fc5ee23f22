#pragma once

#include "agent/jobs/effective_state.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Answers for a job's process what only moves know: whether it may be stopped or started again,
/// and whether its state is in doubt. Jobs ask it, because they know nothing of moves; the
/// handovers answer. On the agent's loop.
class JobOwnership {
 public:
  /// What the process's record does not say of its state.
  [[nodiscard]] virtual EffectiveState effective_state_of(const Instance& instance) const = 0;
  /// Throws Error{conflict} if the end of this process now could be the end of the only good copy.
  virtual void check_stop(const Instance& instance) const = 0;
  /// Lets a live process that stands go on to hear that it is asked to end.
  virtual void on_stop(const Instance& instance) = 0;
  /// Whether a process that failed may be started again here: not if it may run elsewhere.
  [[nodiscard]] virtual bool may_restart(const Instance& instance) const = 0;
  /// Takes note that a process has ended, once its job's record says so.
  virtual void on_exit(Instance& instance) = 0;

 protected:
  JobOwnership() = default;
  JobOwnership(const JobOwnership&) = default;
  JobOwnership& operator=(const JobOwnership&) = default;
  ~JobOwnership() = default;
};

}  // namespace cardswap
