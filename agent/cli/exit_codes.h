#pragma once

#include "migrator/base/error.h"

namespace cardswap {

/// The exit codes of `cardswap` (docs/cli.md).
enum class Exit : int {
  done = 0,
  failed = 1,  ///< a failure; a job whose migration failed goes on where it was
  usage = 2,
  refused = 3,   ///< by preflight, or the agent cannot be called; nothing was changed
  aborted = 4,   ///< by a limit, a timeout or somebody; the job goes on where it was
  in_doubt = 6,  ///< an operator must decide
};

/// The exit code for the error with which a call or a migration ended.
[[nodiscard]] Exit exit_for(Code code);

}  // namespace cardswap
