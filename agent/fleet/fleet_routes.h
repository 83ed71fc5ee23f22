#pragma once

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/device_usage.h"

namespace cardswap {

/// GET, POST and DELETE /v1/cordon, GET /v1/peers. Everything given must outlive the router.
/// `open_fault`: what is wrong with a device (empty: the host) that is opened again; empty:
/// nothing that is known.
void add_fleet_calls(Router& router, Cordons& cordons, const DeviceUsageTable& devices,
                     const Config& config,
                     std::function<std::string(const std::string& device)> open_fault);

}  // namespace cardswap
