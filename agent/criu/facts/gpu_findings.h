#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace cardswap::criu {

/// The GPU driver's findings about a process tree.
struct GpuFindings {
  std::string no_driver;  ///< why no driver can save CUDA state here; empty: it can
  std::set<pid_t> saved;  ///< processes whose state it can save
  /// Processes without state, and the driver's message about each.
  std::map<pid_t, std::string> without_state;
  std::vector<std::string> reasons;  ///< why it cannot save some state now
};

}  // namespace cardswap::criu
