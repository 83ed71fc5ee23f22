#pragma once

#include <string>
#include <vector>

#include "agent/health/sources/health_context.h"

namespace cardswap::health {

/// NVML as a source: has its process watched, reports what that finds, and knows which devices are
/// watched. One thread.
class NvmlDevices {
 public:
  explicit NvmlDevices(const HealthScope& scope);
  NvmlDevices(const NvmlDevices&) = delete;
  NvmlDevices& operator=(const NvmlDevices&) = delete;

  /// Starts to watch; nothing where no library is configured.
  void start();
  [[nodiscard]] const std::vector<DeviceName>& watched() const { return watched_; }

 private:
  void know(int index, const std::string& uuid, const std::string& pci);

  asio::io_context& io_;
  TaskGroup& tasks_;
  const Config& config_;
  JournalledEngine& journalled_;
  std::vector<DeviceName> watched_;
};

}  // namespace cardswap::health
