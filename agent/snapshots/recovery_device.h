#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/jobs/cordon.h"
#include "agent/jobs/device_usage.h"
#include "agent/placement/device_choice.h"
#include "agent/placement/placement.h"

/// Chooses the device of this host on which a job goes on when its own copy is gone.
namespace cardswap::snapshots {

/// Whether the host's health lets jobs on the device.
using IsUsable = std::function<bool(const std::string& device)>;

/// The devices of this host, for choose_recovery_device(). A cordon that health has set counts only
/// where the device itself is sick: when a device's end closes its whole host, its jobs may still
/// go on beside it, and leave the host from there.
[[nodiscard]] std::vector<PlacementDevice> devices_to_recover_on(const DeviceUsages& devices,
                                                                 const Cordons& cordons,
                                                                 const std::string& host,
                                                                 const IsUsable& is_usable);

/// The job's own device if it is healthy; else the one that place() chooses. Pure.
[[nodiscard]] DeviceChoice choose_recovery_device(const PlacementJob& job,
                                                  const std::vector<PlacementDevice>& devices);

}  // namespace cardswap::snapshots
