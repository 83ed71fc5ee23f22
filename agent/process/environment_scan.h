#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace cardswap {

/// How long the scan waits for one process, and for all processes together.
struct EnvironmentScanLimits {
  std::chrono::milliseconds each{250};
  std::chrono::milliseconds all{1000};
};

/// The result of scan_environments().
struct EnvironmentScan {
  std::map<pid_t, std::string> values;  ///< the values by pid, of processes that have the variable
  std::vector<pid_t> unread;  ///< processes whose memory did not answer in time, in no order
};

/// Reads the variable `name` from the environment of each of `pids`, at most 63 bytes of its value.
/// Processes without it, that are gone or that may not be read have no entry. A read of a process's
/// memory blocks until the process's memory map is free, and a process can hold that for ever; so a
/// child process reads, and a process at which it blocks is skipped (`unread`). Blocks up to
/// `limits.all`. Throws Error{io} when the host has no process or descriptor left.
[[nodiscard]] EnvironmentScan scan_environments(const std::vector<pid_t>& pids,
                                                const std::string& name,
                                                EnvironmentScanLimits limits = {});

}  // namespace cardswap
