#pragma once

#include <cstdint>
#include <string>

#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// The name in place of a device for the stand-in that gives the state back: it is on none.
inline constexpr const char* kFromStore = "store";

/// The parts of the agent that a restore uses. All outlive it.
struct RestoreParts {
  Jobs& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  const Config& config;
};

/// An order to start a job that goes on from a snapshot.
struct RestoreOrder {
  JobSpec spec;
  std::string device;  ///< one of this host
  std::string store;
  std::string manifest;     ///< the snapshot's, in hexadecimal
  std::uint64_t epoch = 0;  ///< the job steps under a higher one
};

/// Starts `cardswap-keeper` in the job's place, which reads the snapshot, and then the migration by
/// which the job's program takes over from it: the answer to the call. If anything fails before the
/// migration begins, nothing of the job stays. Throws Error{conflict, corrupt, timed_out}, and as
/// Migrations::start().
asio::awaitable<ApiAnswer> start_restore(RestoreParts parts, RestoreOrder order);

/// Adds the call POST /v1/restores, which starts a job that goes on from a snapshot: a migration
/// whose source is `cardswap-keeper`, which stands at the snapshot's step. All references must
/// outlive the router.
void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config);

}  // namespace cardswap
