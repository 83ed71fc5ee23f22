#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// A device of this host, and what of its memory jobs have.
struct DeviceUsage {
  std::string name;
  std::string kind;   ///< "cpu" or "cuda"
  std::string model;  ///< of a GPU, if known; so is the next
  std::string uuid;
  std::uint64_t total_bytes = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::vector<std::string> jobs;
};

/// Sums what the live jobs of this host have of each configured device. Kept nowhere: each answer
/// is of now. The configuration outlives it. On the agent's loop.
class DeviceUsageTable {
 public:
  using Instances = std::function<std::vector<const Instance*>()>;

  DeviceUsageTable(const Config& config, Instances instances);

  [[nodiscard]] std::vector<DeviceUsage> all() const;
  /// Throws Error{not_found}, which lists the devices.
  [[nodiscard]] DeviceUsage at(const std::string& name) const;
  /// All bytes of `device`; 0 if there is no such device.
  [[nodiscard]] std::uint64_t bytes(const std::string& device) const;

 private:
  const Config& config_;
  const Instances instances_;
};

}  // namespace cardswap
