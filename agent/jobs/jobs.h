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
#include "agent/jobs/job_list.h"
#include "agent/jobs/job_processes.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// Joins the table and the processes of this host's jobs, and has the functions that need both.
/// Code that needs only one of them takes that one. The agent's thread.
class Jobs {
 public:
  Jobs(TaskGroup& tasks, const Config& config, Journal& journal, EventSink& events);
  Jobs(const Jobs&) = delete;  // its parts refer to each other
  Jobs& operator=(const Jobs&) = delete;

  /// JobEnds::set_ownership().
  void set_ownership(JobOwnership& ownership) { ends_.set_ownership(ownership); }

  [[nodiscard]] JobList& table() { return table_; }
  [[nodiscard]] const JobList& table() const { return table_; }
  [[nodiscard]] JobProcesses& processes() { return processes_; }
  /// The devices of this host, with the memory that jobs have there.
  [[nodiscard]] const DeviceUsages& devices() const { return devices_; }

  /// Starts a new job's program, or `stand_in` in its place until the program takes over;
  /// `stand_in` dies with the agent. Returns the id of its instance. An ended job of that name is
  /// forgotten. `device`: one of this host, but a `stand_in` may be on none. Throws
  /// Error{not_found} for an unknown device, Error{conflict} for a name that is in use, Error{io}
  /// for the job's folder, and what JobList::forget() and JobProcesses::start() throw.
  asio::awaitable<std::string> start_primary(JobSpec spec, std::string device,
                                             std::vector<std::string> stand_in = {});
  /// Throws Error{conflict} if stopping this job now could end its only good copy.
  void check_stop(const Job& job) const;
  /// JobOwnership::effective_state_of().
  [[nodiscard]] EffectiveState effective_state_of(const Instance& instance) const {
    return ends_.ownership().effective_state_of(instance);
  }
  /// to_json() with the effective state: "state" and, if there is a note, "note".
  [[nodiscard]] boost::json::object shown(const Instance& instance) const;

 private:
  const Config& config_;
  JobList table_;
  const DeviceUsages devices_{config_, [this] { return std::as_const(table_).instances(); }};
  JobEnds ends_;
  JobProcesses processes_;
};

}  // namespace cardswap
