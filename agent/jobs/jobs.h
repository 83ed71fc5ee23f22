#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/jobs/device_usage.h"
#include "agent/jobs/job_ends.h"
#include "agent/jobs/job_processes.h"
#include "agent/jobs/job_table.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// Joins the table and the processes of this host's jobs, and answers what takes both. Code that
/// needs only one of them takes that one. On the agent's loop.
class Jobs {
 public:
  Jobs(TaskGroup& tasks, const Config& config, Journal& journal, EventSink& events);
  Jobs(const Jobs&) = delete;  // its parts know each other by their addresses
  Jobs& operator=(const Jobs&) = delete;

  /// JobEnds::set_ownership().
  void set_ownership(JobOwnership& ownership) { ends_.set_ownership(ownership); }

  [[nodiscard]] JobTable& table() { return table_; }
  [[nodiscard]] const JobTable& table() const { return table_; }
  [[nodiscard]] JobProcesses& processes() { return processes_; }
  /// What these jobs have of the host's devices.
  [[nodiscard]] const DeviceUsageTable& devices() const { return devices_; }

  /// Starts a new job's program, or what stands in for it until the program takes over, which dies
  /// with the agent. Returns its instance. Throws Error{conflict} for a name that is in use, and as
  /// JobProcesses::start() does. `device`: of this host, where no `stand_in` has none.
  asio::awaitable<std::string> start_primary(JobSpec spec, std::string device,
                                             std::vector<std::string> stand_in = {});
  /// Throws Error{conflict} if the end of this job now could be the end of its only good copy.
  void check_stop(const Job& job) const;
  /// JobOwnership::effective_state_of().
  [[nodiscard]] EffectiveState effective_state_of(const Instance& instance) const {
    return ends_.ownership().effective_state_of(instance);
  }
  /// to_json(), with its effective state: "state" and, where there is one, "note".
  [[nodiscard]] boost::json::object shown(const Instance& instance) const;

 private:
  const Config& config_;
  JobTable table_;
  const DeviceUsageTable devices_{config_, [this] { return std::as_const(table_).instances(); }};
  JobEnds ends_;
  JobProcesses processes_;
};

}  // namespace cardswap
