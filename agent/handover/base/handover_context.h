#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/handover_gate.h"
#include "agent/base/task_group.h"
#include "agent/criu/move_tools.h"
#include "agent/jobs/device_usage.h"
#include "agent/jobs/job_list.h"
#include "agent/jobs/job_processes.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// References to the parts of the agent that both sides of a handover use. The parts outlive both
/// sides.
struct HandoverContext {
  asio::io_context& io;
  TaskGroup& tasks;
  const Config& config;
  Journal& journal;
  JobList& jobs;
  JobProcesses& processes;
  const DeviceUsages& devices;
  RuntimeHub& hub;
  criu::MoveTools& criu;
  /// Is told when a job is frozen for its handover, and when that is over.
  HandoverGate& handover_gate;
  EventSink& events;
};

}  // namespace cardswap
