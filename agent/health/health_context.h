#pragma once

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/job_list.h"
#include "agent/snapshots/recoverer.h"

namespace cardswap::health {

/// The parts of the agent that the monitor uses. They outlive it.
struct HealthContext {
  asio::io_context& io;
  TaskGroup& tasks;
  const Config& config;
  JobList& jobs;
  Migrations& migrations;
  RankMoves& rank_moves;
  Cordons& cordons;
  snapshots::Recoverer& recoverer;
};

}  // namespace cardswap::health
