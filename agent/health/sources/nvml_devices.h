#pragma once

#include <string>
#include <vector>

#include "agent/health/sources/health_context.h"

namespace cardswap::health {

/// NVML as a source: runs the process that watches the GPUs, and reports its findings. One thread.
class NvmlDevices {
 public:
  explicit NvmlDevices(const HealthScope& scope);
  NvmlDevices(const NvmlDevices&) = delete;
  NvmlDevices& operator=(const NvmlDevices&) = delete;

  /// Starts to watch; does nothing if no library is configured.
  void start();
  /// The devices that NVML watches now, as "cuda:INDEX"; empty while it does not work.
  [[nodiscard]] const std::vector<DeviceName>& watched() const { return watched_; }

 private:
  /// Takes a device that the process lists.
  void note_device(int index, const std::string& uuid, const std::string& pci);

  asio::io_context& io_;
  TaskGroup& tasks_;
  const Config& config_;
  JournalledEngine& journalled_;
  std::vector<DeviceName> watched_;
};

}  // namespace cardswap::health
