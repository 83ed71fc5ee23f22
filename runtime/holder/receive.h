#pragma once

#include <string>

#include "runtime/holder/held_memory.h"

namespace cardswap {

/// Stands in a standby's place at the target's agent (CARDSWAP_SOCKET and the rest), receives a
/// job's arenas, gives them to the restored process at `path`, and returns the exit status then.
/// Throws Error when there is no agent or it refuses.
int receive_and_hand_over(const std::string& path, OpenGpu open_gpu);

}  // namespace cardswap
