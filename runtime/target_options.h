#pragma once

#include "migrator/engine/program.h"
#include "migrator/link/link.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// What an agent's Welcome of a standby, or of a holder in its place, says to the target's engine.
/// Its devices are the caller's to add.
[[nodiscard]] inline TargetOptions target_options(const channel::Welcome& welcome) {
  TargetOptions options;
  options.migration = welcome.migration;
  options.listen_host = listening_host(welcome.data_host);
  options.token = welcome.data_token;
  options.data_key = welcome.data_key;
  options.transports = welcome.transports;
  options.peers = welcome.data_peers;
  return options;
}

}  // namespace cardswap
