#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/health/journalled_engine.h"

namespace cardswap::health {

/// NVML as a source: has its process watched, reports what that finds, and knows which devices are
/// watched. One thread.
class NvmlDevices {
 public:
  NvmlDevices(asio::io_context& context, const Config& config, JournalledEngine& journalled);
  NvmlDevices(const NvmlDevices&) = delete;
  NvmlDevices& operator=(const NvmlDevices&) = delete;

  /// Starts to watch; nothing where no library is configured.
  void start(TaskGroup& tasks);
  [[nodiscard]] const std::vector<DeviceName>& watched() const { return watched_; }

 private:
  void know(int index, const std::string& uuid, const std::string& pci);

  asio::io_context& context_;
  const Config& config_;
  JournalledEngine& journalled_;
  std::vector<DeviceName> watched_;
};

}  // namespace cardswap::health
