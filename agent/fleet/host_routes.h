#pragma once

#include <chrono>

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/criu/move_tools.h"
#include "agent/handover/base/data_plane.h"
#include "agent/health/monitor.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/device_usage.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// The parts of the agent whose state GET /v1/version and /v1/devices show. All must outlive the
/// router.
struct HostContext {
  const Config& config;
  const Journal& journal;
  const DeviceUsages& devices;
  const Cordons& cordons;
  const health::Monitor& health;
  criu::MoveTools& criu;
  const DataPlane& data_plane;
  std::chrono::steady_clock::time_point started;
};

/// Adds GET /v1/version and /v1/devices.
void add_host_routes(Router& router, const HostContext& context);

}  // namespace cardswap
