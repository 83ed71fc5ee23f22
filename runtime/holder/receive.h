#pragma once

#include <string>

#include "runtime/holder/held_memory.h"

namespace cardswap {

/// Takes the place of a standby at the target's agent (CARDSWAP_SOCKET and the other variables),
/// receives a job's arenas, and gives them to the restored process that connects to the socket
/// `path`. Blocks until that process has them, without a limit: only the agent ends a holder whose
/// process never comes. Returns 0, as the exit status. Throws Error if there is no agent, if the
/// agent refuses, or if nothing can be received at this host's address.
int receive_and_hand_over(const std::string& path, OpenGpu open_gpu);

}  // namespace cardswap
