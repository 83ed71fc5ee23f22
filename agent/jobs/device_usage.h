#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// A device of this host, and how much of its memory jobs have.
struct DeviceUsage {
  std::string name;
  std::string kind;   ///< "cpu" or "cuda"
  std::string model;  ///< a GPU's, if known; or empty
  std::string uuid;   ///< a GPU's, if known; or empty
  std::uint64_t total_bytes = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::vector<std::string> jobs;
};

/// Sums the memory that the live jobs of this host have on each configured device, anew at each
/// call. `config` must outlive it. The agent's thread.
class DeviceUsages {
 public:
  using Instances = std::function<std::vector<const Instance*>()>;

  DeviceUsages(const Config& config, Instances instances);

  [[nodiscard]] std::vector<DeviceUsage> all() const;
  /// Throws Error{not_found} with a hint that lists the devices.
  [[nodiscard]] DeviceUsage at(const std::string& name) const;
  /// The size of the memory of `device`; 0 if there is no such device.
  [[nodiscard]] std::uint64_t bytes(const std::string& device) const;

 private:
  const Config& config_;
  const Instances instances_;
};

}  // namespace cardswap
