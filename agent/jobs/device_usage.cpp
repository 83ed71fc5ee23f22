#include "agent/jobs/device_usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/jobs/runtime_report.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

DeviceUsages::DeviceUsages(const Config& config, Instances instances)
    : config_(config), instances_(std::move(instances)) {}

std::uint64_t DeviceUsages::bytes(const std::string& device) const {
  const auto found = std::ranges::find(config_.devices, device, &DeviceConfig::name);
  if (found == config_.devices.end()) return 0;
  return found->memory_bytes == 0 ? machine_memory() : found->memory_bytes;
}

std::vector<DeviceUsage> DeviceUsages::all() const {
  std::vector<DeviceUsage> result;
  const auto instances = instances_();
  for (const auto& configured : config_.devices) {
    DeviceUsage device;
    device.name = configured.name;
    device.kind = configured.kind();
    device.model = configured.model;
    device.uuid = configured.uuid;
    device.total_bytes = bytes(configured.name);
    for (const auto* instance : instances) {
      if (!instance->is_live() || instance->device() != device.name) continue;
      const auto share = share_of(*instance, device.total_bytes);
      device.reserved_bytes += std::min(share, UINT64_MAX - device.reserved_bytes);
      device.jobs.push_back(instance->name());
    }
    device.free_bytes = device.total_bytes - std::min(device.total_bytes, device.reserved_bytes);
    result.push_back(std::move(device));
  }
  return result;
}

DeviceUsage DeviceUsages::at(const std::string& name) const {
  std::vector<std::string> names;
  for (auto& device : all()) {
    if (device.name == name) return device;
    names.push_back(device.name);
  }
  throw Error(Code::not_found,
              fmt::format("there is no device '{}' on {}", name, config_.host_name),
              fmt::format("it has: {}", fmt::join(names, ", ")));
}

}  // namespace cardswap
