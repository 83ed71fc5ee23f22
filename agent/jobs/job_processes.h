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
#include "agent/jobs/job_list.h"
#include "agent/process/process.h"
#include "agent/process/supervised_process.h"

namespace cardswap {

/// A job's process that CRIU has restored.
struct RestoredProcess {
  ProcessId program;
  ProcessId init;  ///< the first process of its PID namespace
  // As the runtime reported them at the source:
  std::uint64_t state_bytes = 0;
  std::uint64_t relocatable_bytes = 0;
  std::string framework;
};

/// Starts, watches, stops and ends the processes of this host's jobs, and updates the table
/// accordingly. A task watches each process. The agent's thread.
class JobProcesses {
 public:
  /// All references must outlive it.
  JobProcesses(TaskGroup& tasks, const Config& config, JobList& table, const DeviceUsages& devices,
               JobEnds& ends);

  /// Counts of the jobs that were live when a former agent ended.
  struct TakenUp {
    std::size_t running = 0;  ///< they still run
    std::size_t gone = 0;     ///< they ended meanwhile, and it is known how
    std::size_t lost = 0;     ///< they ended meanwhile, and it is not known how
  };
  /// Loads the journal's jobs; call it once, first. Watches live primaries again; kills standbys
  /// for which `keep` is false, and processes that ended jobs have left. Blocks for a second or
  /// more. Throws Error{io, corrupt}.
  TakenUp take_up(const std::function<bool(const Instance&)>& keep);

  /// Starts the program of an instance; returns when it runs and is on disk. That may take some
  /// seconds: the instance has no process meanwhile, and if it is stopped, it is killed as soon as
  /// it runs. Throws Error{refused} when the program cannot be started, Error{io} when the host
  /// refuses, Error{io, corrupt} when the disk refuses, Error{not_found, cancelled} when the
  /// instance was removed; the instance is removed from the table then. `stand_in`: the command
  /// line of a program that runs in place of the job's until a process that CRIU has restored takes
  /// over (take_over()); nothing takes over from a keeper or a snapshot sender. Empty: none.
  asio::awaitable<void> start(std::string instance, std::vector<std::string> stand_in = {});
  /// Starts an instance that has ended again, under the next epoch, on `device`: its program, or
  /// `stand_in` in its place. Returns when that runs and is on disk. Throws as start(); then the
  /// instance is as it was, and its record says why it was not started.
  asio::awaitable<void> start_again(std::string instance, std::string device,
                                    std::vector<std::string> stand_in);
  /// Sends SIGKILL to every process of the instance, once; its end is settled as any other, so it
  /// may be started again. Does nothing for an unknown instance.
  void kill(const std::string& instance);
  /// Makes a process that CRIU has restored the instance's process, in place of the stand-in. On
  /// disk on return. Throws Error{io, corrupt}; then the instance is unchanged.
  void take_over(Instance& instance, const RestoredProcess& restored);
  /// JobList::promote(); its processes also outlive this agent from now on.
  void promote(Job& job, std::uint64_t epoch);
  /// Sends SIGTERM, and after `grace` SIGKILL, to all processes of the instance, whatever its
  /// state, and prevents a restart. Returns the signalled pids when all are gone, however long that
  /// takes; empty for an unknown instance. A job that was halted for good (Job::newer_epoch) gets
  /// SIGKILL at once.
  asio::awaitable<std::vector<pid_t>> stop(std::string instance, std::chrono::milliseconds grace);
  /// end_processes(): ends an instance whose job is elsewhere, without changing its record.
  asio::awaitable<void> end_moved(std::string instance, std::chrono::milliseconds grace);
  /// Halts the job for good, because another copy steps under `newer_epoch`: its processes
  /// get SIGSTOP and keep their state until somebody ends them. If the disk refuses the record, it
  /// is written again every 2 s until the disk takes it.
  void halt_trainer(Job& job, std::uint64_t newer_epoch);

 private:
  /// Starts the job's program under a parent of its own, or `stand_in` as a child of the agent.
  asio::awaitable<void> start_process_of(std::string instance, std::vector<std::string> stand_in);
  /// Waits for the end of the instance's process, and has it settled.
  asio::awaitable<void> watch(std::string instance);
  /// Starts an ended program again by the restart rule. Where that fails, the instance is as it was
  /// `before`, and its record says why.
  asio::awaitable<void> run_again(std::string instance, BeforeRestart before);
  /// Settles the end of an instance by JobEnds, and starts it again where that says so.
  void settle_end(Instance& instance, std::vector<ProcessId> remains);

  TaskGroup& tasks_;
  const Config& config_;
  JobList& table_;
  const DeviceUsages& devices_;
  JobEnds& ends_;
  std::map<std::string, SupervisedProcess> supervised_;  // of standbys, by instance
};

}  // namespace cardswap
