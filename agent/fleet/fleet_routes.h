#pragma once

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/device_usage.h"

namespace cardswap {

/// Adds GET, POST and DELETE /v1/cordon and GET /v1/peers. All references must outlive the router.
/// `open_fault(device)` names a fault that is still open when the cordon of a device (empty: of the
/// host) is lifted, for a warning in the answer; it returns "" if no fault is known. It may be
/// empty.
void add_fleet_routes(Router& router, Cordons& cordons, const DeviceUsages& devices,
                      const Config& config,
                      std::function<std::string(const std::string& device)> open_fault);

}  // namespace cardswap
