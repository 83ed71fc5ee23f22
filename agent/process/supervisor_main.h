#pragma once

namespace cardswap {

/// `cardswap-init supervise`: a job's small parent, as agent/process/supervised_process.h has it.
/// Its order, its report and its lifeline are descriptors 3 to 5; its exit code is nobody's.
int supervisor_main();

}  // namespace cardswap
