#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/cli/migration_options.h"

namespace cardswap::cli {

/// The options of `cardswap drain`.
struct DrainOptions {
  std::string host;             ///< HOST[:PORT] of the agent to drain
  std::vector<std::string> to;  ///< HOST[:PORT] of targets; empty: the agent's peers
  std::size_t parallel = 2;     ///< migrations at a time
  std::string deadline = "none";
  std::string policy = "migrate";
  std::string hook;  ///< a program that is run before and after each job; empty: none
  std::string reason = "drain";
  bool dry_run = false;
  MigrationOptions how;
};

}  // namespace cardswap::cli
