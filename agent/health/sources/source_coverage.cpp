#include "agent/health/sources/source_coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace cardswap::health {
namespace {

/// Why NVML does not report the device's faults; empty: it does.
std::string nvml_says(const DeviceName& device, const std::string& state,
                      const std::vector<DeviceName>& nvml) {
  if (state != "ok") return "nvml: " + state;
  const bool listed = std::any_of(nvml.begin(), nvml.end(), [&](const DeviceName& known) {
    const std::vector<DeviceName> only{device};
    return known.name == device.name || device_called(only, known.uuid).has_value() ||
           device_called(only, known.pci).has_value();
  });
  return listed ? std::string() : "nvml: does not list it";
}

std::string kernel_says(const DeviceName& device, const std::string& state) {
  if (state != "ok") return "kernel_log: " + state;
  return device.pci.empty() ? "kernel_log: its PCI address is not known" : std::string();
}

}  // namespace

SourceCoverage coverage_of(const std::vector<WatchedDevice>& devices,
                           const std::map<std::string, std::string>& sources,
                           const std::vector<DeviceName>& nvml) {
  const auto state = [&](const std::string& source) {
    const auto found = sources.find(source);
    return found == sources.end() ? std::string("off") : found->second;
  };
  SourceCoverage coverage;
  for (const auto& device : devices) {
    if (!device.gpu && !device.known) continue;
    const auto no_nvml = nvml_says(device.name, state("nvml"), nvml);
    const auto no_kernel = kernel_says(device.name, state("kernel_log"));
    if (no_nvml.empty() && no_kernel.empty()) continue;
    if (!no_nvml.empty() && !no_kernel.empty()) {
      if (coverage.blind.empty()) {
        coverage.blind =
            fmt::format("nothing tells of {} ({}; {})", device.name.name, no_nvml, no_kernel);
      }
    } else if (device.gpu && coverage.half.empty()) {
      coverage.half = fmt::format("only one source tells of {} ({})", device.name.name,
                                  no_nvml.empty() ? no_kernel : no_nvml);
    }
  }
  return coverage;
}

}  // namespace cardswap::health
