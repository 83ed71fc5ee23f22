#pragma once

#include <optional>
#include <vector>

#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job_ownership.h"
#include "agent/jobs/job_restarts.h"
#include "agent/jobs/job_table.h"

namespace cardswap {

/// Settles the record of a process that has ended: it finds out how the process ended, tells those
/// who need to know, and applies the rule of job_restarts.h. On the agent's loop.
class JobEnds {
 public:
  /// All of them outlive it.
  JobEnds(TaskGroup& tasks, JobTable& table, EventSink& events)
      : tasks_(tasks), table_(table), events_(events) {}

  /// Whom the jobs ask whose they are. Called once, before the first end; `ownership` outlives the
  /// tasks.
  void set_ownership(JobOwnership& ownership);
  [[nodiscard]] JobOwnership& ownership() const;

  /// Kills `remains`, what is left of it, too. Of a standby the record is gone afterwards. Returns
  /// what the record was where its program is to start again, which is the caller's to do.
  [[nodiscard]] std::optional<BeforeRestart> settle(Instance& instance,
                                                    std::vector<ProcessId> remains);

 private:
  void report_lost(const Instance& instance);
  void drop_standby(Instance& instance);

  TaskGroup& tasks_;
  JobTable& table_;
  EventSink& events_;
  JobOwnership* ownership_ = nullptr;  // until set_ownership()
};

}  // namespace cardswap
