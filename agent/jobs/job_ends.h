#pragma once

#include <optional>
#include <vector>

#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job_list.h"
#include "agent/jobs/job_ownership.h"
#include "agent/jobs/job_restarts.h"

namespace cardswap {

/// Settles the record of a process that has ended: finds out how the process ended, tells
/// JobOwnership and operators, and applies the rule of job_restarts.h. The agent's thread.
class JobEnds {
 public:
  /// All references must outlive it.
  JobEnds(TaskGroup& tasks, JobList& table, EventSink& events)
      : tasks_(tasks), table_(table), events_(events) {}

  /// Sets what ownership() returns. Call it once, before a process can end; `ownership` must
  /// outlive the tasks.
  void set_ownership(JobOwnership& ownership);
  [[nodiscard]] JobOwnership& ownership() const;

  /// Settles the end of `instance`. `remains` are processes of it that still live: they are killed.
  /// The record of a standby is removed: `instance` is gone then. Returns nullopt, or, if the
  /// program is to start again, the former record: then the caller starts it. A disk that refuses
  /// is logged.
  [[nodiscard]] std::optional<BeforeRestart> conclude(Instance& instance,
                                                      std::vector<ProcessId> remains);

 private:
  /// Tells of a job that has started again as often as it may that it does not any more.
  void explain_no_restart(Job& job);
  /// Tells that it is not known how the instance ended.
  void report_lost(const Instance& instance);
  /// Removes the record of a standby that was never granted: its migration's error and its log tell
  /// why it ended.
  void drop_standby(Instance& instance);

  TaskGroup& tasks_;
  JobList& table_;
  EventSink& events_;
  JobOwnership* ownership_ = nullptr;  // until set_ownership()
};

}  // namespace cardswap
