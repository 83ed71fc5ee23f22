#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cardswap::cli {

/// How a process of this command is started.
struct SpawnOptions {
  bool in_own_group = false;   ///< Ctrl-C is for this command only
  bool stdin_is_null = false;  ///< else it is this command's
};

/// A process of this command, or why there is none.
struct Spawned {
  pid_t pid = 0;
  int error = 0;  ///< of errno; 0: the process runs
};

/// Starts `words[0]`, which is looked for in PATH, without a shell and with the variables
/// `environment` ("NAME=VALUE"). What it prints goes to stderr; it has no signals blocked. `words`
/// must not be empty.
[[nodiscard]] Spawned spawn(std::vector<std::string> words, std::vector<std::string> environment,
                            SpawnOptions options = {});
/// Waits for the end of a process that spawn() started. Returns its wait status.
[[nodiscard]] int wait_status_of(pid_t pid);

}  // namespace cardswap::cli
