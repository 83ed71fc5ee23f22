#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace cardswap {

/// How long whoever looks waits for a process, and for all of them together.
struct EnvironmentScanLimits {
  std::chrono::milliseconds each{250};
  std::chrono::milliseconds all{1000};
};

/// What the environments of other processes say.
struct EnvironmentScan {
  std::map<pid_t, std::string> values;  ///< by the processes that have the variable
  std::vector<pid_t> unread;  ///< processes whose memory did not answer in time, in no order
};

/// The variable `name` in the environment of each of `pids` that has one, at most 63 bytes of its
/// value; of a process that is gone, or may not be read, nothing. The kernel lets whoever reads a
/// process's memory wait until the process's memory map is free, and a process can hold its own for
/// ever: a child reads, and the one that it waits for is left out. Blocks up to `limits.all`.
/// Throws Error{io} when there is no child.
[[nodiscard]] EnvironmentScan scan_environments(const std::vector<pid_t>& pids,
                                                const std::string& name,
                                                EnvironmentScanLimits limits = {});

}  // namespace cardswap
