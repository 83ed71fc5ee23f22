#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// A GPU of this machine, as NVML reports it.
struct GpuInfo {
  unsigned index = 0;  ///< NVML's, which is the order on the PCI bus: "cuda:0" is the first
  std::string uuid;    ///< "GPU-..."; empty: not reported
  std::string model;   ///< the same
  std::uint64_t total_bytes = 0;  ///< 0: not reported
};

/// The program of `cardswapd --list-gpus LIBRARY`: prints one line a GPU, with tabs between the
/// fields, and ends. It is its own process, because a driver that hangs or crashes takes its
/// process with it. Returns the exit code.
int print_gpus(const std::string& library);
/// Reads the lines that it prints; skips others.
[[nodiscard]] std::vector<GpuInfo> gpus_from(std::string_view text);
/// Runs this program with --list-gpus, for a few seconds at most. Empty without a driver.
[[nodiscard]] std::vector<GpuInfo> list_gpus(const std::string& library);

}  // namespace cardswap
