#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/handover_gate.h"
#include "agent/base/task_group.h"
#include "agent/criu/tools.h"
#include "agent/jobs/device_usage.h"
#include "agent/jobs/job_processes.h"
#include "agent/jobs/job_table.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// References to the parts of the agent that both sides of a handover use. The parts outlive both
/// sides.
struct HandoverContext {
  asio::io_context& io;
  TaskGroup& tasks;
  const Config& config;
  Journal& journal;
  JobTable& jobs;
  JobProcesses& processes;
  const DeviceUsageTable& devices;
  RuntimeHub& hub;
  criu::Tools& criu;
  /// Is told when a job is frozen for its handover, and when that is over.
  HandoverGate& handover_gate;
  EventSink& events;
};

}  // namespace cardswap
