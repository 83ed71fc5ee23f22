#pragma once

#include "migrator/engine/program.h"
#include "migrator/link/link.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The options of the target's engine from the Welcome that the agent sent to a standby, or to a
/// holder or a keeper in its place. The caller adds the devices.
[[nodiscard]] inline TargetOptions target_options(const channel::Welcome& welcome) {
  TargetOptions options;
  options.migration = welcome.migration;
  options.listen_host = listening_host(welcome.data_host);
  options.token = welcome.data_token;
  options.data_key = welcome.data_key;
  options.transports = welcome.transports;
  options.allowed_addresses = welcome.allowed_addresses;
  return options;
}

}  // namespace cardswap
