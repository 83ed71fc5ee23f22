#pragma once

#include <string>

namespace cardswap {

/// Stands in a standby's place at the target's agent (CARDSWAP_SOCKET and the rest), receives an
/// arena, gives it to the restored process at `path`, and returns the exit status then.
/// Throws Error when there is no agent or it refuses.
int receive_and_hand_over(const std::string& path);

}  // namespace cardswap
