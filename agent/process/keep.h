#pragma once

namespace cardswap {

/// `cardswap-init keep`: a job's small parent, as agent/process/parent.h has it. Its order, its
/// report and its leash are descriptors 3 to 5; its exit code is nobody's.
int keep();

}  // namespace cardswap
