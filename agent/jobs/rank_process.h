#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/process/process.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// One rank of a job of many, whose process runs on this host: what its runtime has told, which is
/// forgotten when the agent ends. The process may be a descendant of the job's program (torchrun
/// starts one a rank).
///
/// Everybody reads it; the functions of rank_report.h change it.
struct RankProcess {
  ProcessId process;          ///< whose runtime attached last
  bool attached = false;      ///< its runtime is connected
  bool frozen = false;        ///< its trainer waits at a step boundary for the agent
  bool reported = false;      ///< its runtime has reported what it tracks
  std::uint64_t epoch = 0;    ///< under which it steps, as it said when it attached
  std::uint64_t network = 0;  ///< as Instance::network
  std::string framework;      ///< as Instance::framework
  std::uint64_t state_bytes = 0;
  std::uint64_t step = 0;
  double median_step_ms = 0;
  std::vector<channel::Obstacle> obstacles;  ///< obstacles to a move, as its runtime reports
  /// The agent of each rank of the job, as HOST:PORT (channel::RankPlace); empty: not told yet.
  std::vector<std::string> agents;
  std::string moved_to;  ///< where the rank is now; empty: it is here, or its process ended
};

}  // namespace cardswap
