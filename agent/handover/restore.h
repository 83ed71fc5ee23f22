#pragma once

#include <cstdint>
#include <string>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/job.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// The parts of the agent that a restore uses. All outlive its tasks.
struct RestoreContext {
  Jobs& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  const Config& config;
};

/// The step to which a gradient log leads on from a snapshot.
struct LogWay {
  std::uint64_t step = 0;  ///< 0: the log is not used
  std::string branch;      ///< of the log
};

/// An order to start a job that goes on from a snapshot.
struct RestoreOrder {
  JobSpec spec;             ///< of the program that gets the state
  std::string device;       ///< one of this host, for the program
  std::string store;        ///< the address of the store
  std::string manifest;     ///< the id of the snapshot's manifest
  std::uint64_t epoch = 0;  ///< of the snapshot; the job steps under a higher one
  LogWay log = {};
};

/// Starts a job that goes on from a snapshot, by a migration whose source is a snapshot sender, a
/// `cardswap-keeper`: it stands at the snapshot's step and sends the state. The job's program
/// starts while the sender reads, and gets nothing before every byte is proven. Returns the id of
/// the migration once the sender holds the state, 30 minutes at most, or once the migration has
/// failed. The sender claims the job in the store first, so that an older copy of it publishes
/// nothing there (epoch_claims.h). Throws Error{source_lost} if the sender ends before that,
/// Error{timed_out}, and what Jobs::start_primary(), Migrations::prepare() and Migrations::start()
/// throw; then no process of the job is left, unless the agent is stopping. The caller has checked
/// the device, and who may run the program.
asio::awaitable<std::string> start_restore(RestoreContext parts, RestoreOrder order);

/// An order to let a job of this host go on from a snapshot, in the record that it has.
struct RestoreAgainOrder {
  std::string instance;  ///< of the copy that has ended
  std::string job;
  std::string device;    ///< one of this host, for the program
  std::string store;     ///< the address of the store
  std::string manifest;  ///< the id of the snapshot's manifest
  LogWay log = {};
};

/// Does what start_restore() does for a job that has ended here: its record becomes that of the
/// snapshot sender, under the next epoch, so that the job is never without one. Throws as that
/// does; the sender may live for a moment then, and the record is that of a job that has failed.
asio::awaitable<std::string> restore_again(RestoreContext parts, RestoreAgainOrder order);

}  // namespace cardswap
