#pragma once

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/health/decisions/journalled_engine.h"
#include "agent/health/sources/health_counters.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/job_table.h"

namespace cardswap::health {

/// The parts of the agent that the monitor uses. They outlive it.
struct HealthContext {
  asio::io_context& io;
  TaskGroup& tasks;
  const Config& config;
  JobTable& jobs;
  Migrations& migrations;
  Cordons& cordons;
};

/// What the sources and the mover use. The monitor owns it, and them.
struct HealthScope {
  const HealthContext& context;
  JournalledEngine& journalled;
  HealthCounters& counters;
};

}  // namespace cardswap::health
