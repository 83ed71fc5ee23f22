#pragma once

#include <string>

#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The Hello of this process before anything was granted to it: its pid, the version of this
/// library, and what its agent gave it. `job` and `token`: from CARDSWAP_JOB and CARDSWAP_TOKEN, or
/// from the agent to which it has moved. `network` is left to AgentChannel. Any thread.
[[nodiscard]] channel::Hello hello_of_process(std::string job, std::string token,
                                              channel::Role role, std::string framework);

}  // namespace cardswap
