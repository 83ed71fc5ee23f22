#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// A GPU of this machine, as NVML reports it.
struct GpuInfo {
  unsigned index = 0;  ///< NVML's index, in the order of the PCI bus: "cuda:0" is the first
  std::string uuid;    ///< "GPU-..."; empty: not reported
  std::string model;   ///< empty: not reported
  std::uint64_t total_bytes = 0;  ///< 0: not reported
};

/// The program of `cardswapd --list-gpus LIBRARY`: prints one line for each GPU, with tabs between
/// the fields, and ends. It is a separate process, because a driver may hang or crash its process.
/// Returns the exit code: 3 without a driver.
int print_gpus(const std::string& library);
/// Reads the lines that print_gpus() prints; skips others. Pure.
[[nodiscard]] std::vector<GpuInfo> gpus_from(std::string_view text);
/// Runs this program with --list-gpus and returns the GPUs. Blocks for 10 s at most. Empty for an
/// empty `library`, without a driver, and if the program cannot be started or does not answer: the
/// caller cannot tell these apart. Throws Error{io} when the host has no descriptor left.
[[nodiscard]] std::vector<GpuInfo> list_gpus(const std::string& library);

}  // namespace cardswap
