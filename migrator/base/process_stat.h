#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace cardswap {

/// What /proc/PID/stat says of a process.
struct ProcessStat {
  char state = 0;                ///< 'R', 'S', ...; 'Z': it has ended, and nobody has waited for it
  std::uint64_t start_time = 0;  ///< clock ticks after boot: the kernel uses pids again
};

/// Reads it. Nullopt: the process is gone. Throws Error{io} if /proc cannot be read now, for lack
/// of descriptors say: that does not mean that the process has ended.
[[nodiscard]] std::optional<ProcessStat> process_stat_of(pid_t pid);

}  // namespace cardswap
