#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// A GPU of this machine, as NVML tells.
struct Gpu {
  unsigned index = 0;  ///< NVML's, which is the order on the PCI bus: "cuda:0" is the first
  std::string uuid;    ///< "GPU-..."; empty: it does not tell
  std::string model;   ///< the same
  std::uint64_t total_bytes = 0;  ///< 0: it does not tell
};

/// What `cardswapd --list-gpus LIBRARY` is: prints one line a GPU, its fields parted by tabs, and
/// ends. A process of its own, because a driver that hangs or crashes takes it along. Returns its
/// exit code.
int print_gpus(const std::string& library);
/// The lines that it prints; others are passed over.
[[nodiscard]] std::vector<Gpu> gpus_from(std::string_view text);
/// Runs this program with --list-gpus, for a few seconds at most. Empty where there is no driver.
[[nodiscard]] std::vector<Gpu> list_gpus(const std::string& library);

}  // namespace cardswap
