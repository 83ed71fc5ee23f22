#include "agent/snapshots/recovery_device.h"

#include <algorithm>
#include <span>

namespace cardswap::snapshots {
namespace {

constexpr auto kByHealth = "health";  // as Cordon::by has it

}  // namespace

std::vector<PlacementDevice> devices_to_recover_on(const DeviceUsages& devices,
                                                   const Cordons& cordons, const std::string& host,
                                                   const IsUsable& is_usable) {
  std::vector<PlacementDevice> found;
  for (const auto& usage : devices.all()) {
    const auto cordon = cordons.find(usage.name);
    PlacementDevice device;
    device.host = host;
    device.name = usage.name;
    device.kind = usage.kind;
    device.total_bytes = usage.total_bytes;
    device.free_bytes = usage.free_bytes;
    device.jobs = usage.jobs.size();
    device.cordoned = cordon && cordon->by != kByHealth;
    device.unhealthy = !is_usable(usage.name);
    found.push_back(std::move(device));
  }
  return found;
}

DeviceChoice choose_recovery_device(const PlacementJob& job,
                                    const std::vector<PlacementDevice>& devices) {
  const auto own = std::ranges::find(devices, job.device, &PlacementDevice::name);
  if (own != devices.end() && !own->unhealthy) return {job.device, {}};
  const auto placed = place(std::span(&job, 1), devices);
  if (!placed.assigned.empty()) return {devices.at(placed.assigned[0].device).name, {}};
  return {{},
          devices.size() < 2
              ? std::string("this host has no other device")
              : "no device of this host fits: " + to_string(placed.unplaced.at(0).reasons)};
}

}  // namespace cardswap::snapshots
