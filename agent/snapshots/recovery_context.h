#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap::snapshots {

/// The parts of the agent that a recovery uses. All outlive its tasks.
struct RecoveryContext {
  Jobs& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  EventSink& events;
  const Config& config;
};

/// How often one recovery asks a store that is away, and starts the job's program, at most.
inline constexpr std::uint32_t kRecoveryTriesMax = 3;
/// The first and the longest wait between two tries.
inline constexpr std::chrono::milliseconds kRecoveryRetryFirst{1'000};
inline constexpr std::chrono::milliseconds kRecoveryRetryMax{30'000};

/// Whether the agent owes the job of this record a start from a snapshot.
[[nodiscard]] bool has_pending_recovery(const Job& job);
/// The job of that record while its recovery is pending. Throws Error{cancelled} if it is not any
/// more: somebody has stopped it, or has started another one of its name.
[[nodiscard]] Job& pending_job(JobList& jobs, const std::string& job_id);

}  // namespace cardswap::snapshots
