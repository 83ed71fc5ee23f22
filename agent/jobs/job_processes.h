#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/jobs/device_usage.h"
#include "agent/jobs/job_ends.h"
#include "agent/jobs/job_table.h"
#include "agent/process/process.h"
#include "agent/process/supervised_process.h"

namespace cardswap {

/// A job's process as CRIU has restored it.
struct RestoredProcess {
  ProcessId root;
  ProcessId init;                       ///< the first process of its PID namespace
  std::uint64_t state_bytes = 0;        ///< what it tracks, as was said at its source
  std::uint64_t relocatable_bytes = 0;  ///< likewise
  std::string framework;                ///< likewise
};

/// Starts, watches, stops and ends the processes of this host's jobs, and keeps the table to what
/// it sees of them. On the agent's loop; each process is watched by a task.
class JobProcesses {
 public:
  /// All of them outlive it. `ends`: settles what ends.
  JobProcesses(TaskGroup& tasks, const Config& config, JobTable& table,
               const DeviceUsageTable& devices, JobEnds& ends);

  /// What became of the jobs that were live when a former agent ended.
  struct Recovered {
    std::size_t resumed = 0;
    std::size_t gone = 0;  ///< jobs that ended meanwhile in a known way
    std::size_t lost = 0;
  };
  /// Loads the journal's jobs. Watches live primaries again; kills and forgets left-over standbys
  /// unless `keep` says so, and kills processes that a job which is over has left.
  Recovered recover(const std::function<bool(const Instance&)>& keep);

  /// Starts the program of a record. The program's owner may hold this up for some seconds: the
  /// instance has no process meanwhile, and if it is stopped, it ends as soon as it runs. Throws
  /// Error when the program cannot be started, and forgets the record then.
  /// `stand_in`: runs in place of the job's program until CRIU brings the job's process.
  asio::awaitable<void> start(std::string instance, std::vector<std::string> stand_in = {});
  /// CRIU has restored the job's process here: it replaces the stand-in. On disk on return. Throws
  /// Error{io}: the instance is as it was.
  void take_over(Instance& instance, const RestoredProcess& restored);
  /// JobTable::promote(); and its processes outlive this agent from now on.
  void promote(Job& job, std::uint64_t epoch);
  /// Sends SIGTERM, after `grace` SIGKILL, to the instance and all that it started, whatever its
  /// state, and starts it no more. Returns when they are gone: their pids.
  asio::awaitable<std::vector<pid_t>> stop(std::string instance, std::chrono::milliseconds grace);
  /// Ends, as stop() does, an instance whose job lives elsewhere: does not change its record.
  asio::awaitable<void> end_moved(std::string instance, std::chrono::milliseconds grace);
  /// Stops the job's processes for good, because a copy of it steps under a higher epoch. They keep
  /// their state until somebody ends them. A disk that refuses the record is tried until it takes
  /// it.
  void halt_trainer(Job& job, std::uint64_t newer_epoch);

 private:
  asio::awaitable<void> start_process_of(std::string instance, std::vector<std::string> stand_in);
  asio::awaitable<void> watch(std::string instance);
  asio::awaitable<void> run_again(std::string instance, BeforeRestart before);
  void ended(Instance& instance, std::vector<ProcessId> remains);

  TaskGroup& tasks_;
  const Config& config_;
  JobTable& table_;
  const DeviceUsageTable& devices_;
  JobEnds& ends_;
  std::map<std::string, SupervisedProcess> supervised_;  // of standbys' parents, by instance
};

}  // namespace cardswap
