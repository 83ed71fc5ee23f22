#include "agent/health/sources/nvml_devices.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/health/sources/nvml_process.h"

namespace cardswap::health {

NvmlDevices::NvmlDevices(const HealthScope& scope)
    : io_(scope.context.io),
      tasks_(scope.context.tasks),
      config_(scope.context.config),
      journalled_(scope.journalled) {
  journalled_.set_source("nvml", config_.nvml.empty() ? "off" : "not asked yet");
}

void NvmlDevices::start() {
  if (config_.nvml.empty()) return;
  NvmlCallbacks callbacks;
  callbacks.device = [this](int index, std::string uuid, std::string pci) {
    note_device(index, uuid, pci);
  };
  callbacks.finding = [this](Finding finding) {
    const auto called = finding.device;
    journalled_.report(std::move(finding), called);
  };
  callbacks.state = [this](const std::string& state) {
    if (state != "ok") watched_.clear();
    journalled_.set_source("nvml", state);
  };
  tasks_.spawn("watch NVML", watch_nvml_process(io_, config_.nvml, std::move(callbacks)));
}

void NvmlDevices::note_device(int index, const std::string& uuid, const std::string& pci) {
  const auto name = fmt::format("cuda:{}", index);
  std::erase_if(watched_, [&](const auto& known) { return known.name == name; });
  watched_.push_back({name, uuid, pci});
  const auto& given = journalled_.engine().policy().devices;
  const auto told = std::ranges::find(given, name, &DeviceName::name);
  if (told == given.end()) {
    journalled_.learn(name, uuid, pci);
    return;
  }
  // The policy names the device without its PCI address.
  if (told->pci.empty() && !pci.empty() && device_called({*told}, uuid)) {
    journalled_.learn(name, told->uuid, pci);
  }
}

}  // namespace cardswap::health
