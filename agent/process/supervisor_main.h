#pragma once

namespace cardswap {

/// Runs `cardswap-init supervise`, a job's small parent (agent/process/supervised_process.h), until
/// the program has ended. Its report, its order and its lifeline are the descriptors of
/// supervisor_order.h. Returns the process's exit code, which nobody reads.
int supervisor_main();

}  // namespace cardswap
