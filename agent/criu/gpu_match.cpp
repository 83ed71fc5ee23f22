#include "agent/criu/gpu_match.h"

#include <fmt/format.h>

namespace cardswap::criu {

std::vector<std::string> why_not_on(const OfferedGpu& offered,
                                    const std::vector<NeededGpu>& needed) {
  std::vector<std::string> reasons;
  if (needed.empty()) return reasons;
  if (!offered.no_driver.empty()) {
    reasons.push_back(
        fmt::format("{} restores no CUDA state: {}", offered.host, offered.no_driver));
  }
  if (needed.size() > 1) {
    reasons.push_back(
        fmt::format("the job has state on {} GPUs, and goes to one device", needed.size()));
    return reasons;
  }
  const auto& gpu = needed.front();
  if (offered.uuid.empty()) {
    reasons.push_back(
        fmt::format("the job has CUDA state, and {} of {} is no GPU that NVML knows there",
                    offered.device, offered.host));
  } else if (offered.uuid != gpu.uuid) {
    if (offered.model != gpu.model) {
      reasons.push_back(
          fmt::format("{} of {} is a {}, the job's GPU a {}: its CUDA state needs "
                      "the same model",
                      offered.device, offered.host, offered.model, gpu.model));
    }
    if (offered.no_driver.empty() && !offered.can_change) {
      reasons.push_back(
          fmt::format("the NVIDIA driver of {} restores a process on its own GPU "
                      "only; driver 580 or later can change it",
                      offered.host));
    }
  }
  return reasons;
}

std::vector<cuda::GpuPair> pairs_of(const std::vector<NeededGpu>& needed, const std::string& uuid) {
  std::vector<cuda::GpuPair> pairs;
  for (const auto& gpu : needed) {
    if (gpu.uuid != uuid) pairs.push_back({gpu.uuid, uuid});
  }
  return pairs;
}

}  // namespace cardswap::criu
