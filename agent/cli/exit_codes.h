#pragma once

#include "migrator/base/error.h"

namespace cardswap {

/// What `cardswap` ends with (docs/cli.md).
enum class Exit : int {
  done = 0,
  failed = 1,  ///< and the job still trains where it was
  usage = 2,
  refused = 3,   ///< by preflight; nothing was touched
  aborted = 4,   ///< by a limit, a time-out or somebody; the job still trains where it was
  in_doubt = 6,  ///< an operator must decide
};

/// The exit code for an error that ended a migration or was the answer to a call.
[[nodiscard]] Exit exit_for(Code code);

}  // namespace cardswap
