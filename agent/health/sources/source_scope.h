#pragma once

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/health/decisions/journalled_engine.h"
#include "agent/health/sources/health_counters.h"

namespace cardswap::health {

/// What the sources use. The monitor owns it, and them; what it refers to outlives them.
struct SourceScope {
  asio::io_context& io;
  TaskGroup& tasks;
  const Config& config;
  JournalledEngine& journalled;
  HealthCounters& counters;
};

}  // namespace cardswap::health
