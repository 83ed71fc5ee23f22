#pragma once

#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

#include "agent/api/access.h"
#include "agent/api/tokens.h"
#include "agent/config.h"
#include "agent/tls/context.h"

namespace cardswap {

/// What the API asks of those who call it.
struct ApiSecurity {
  tls::Context tls;  ///< of the TCP port; none: plain
  Tokens tokens;
  std::optional<gid_t> group;  ///< whose members may act over the unix socket

  /// Reads the files that `config` names. Throws Error.
  [[nodiscard]] static ApiSecurity load(const Config& config);
};

/// Who is at the other end of a unix socket, by the kernel's word: root and this process's user own
/// the agent, members of `group` are operators.
[[nodiscard]] Caller caller_at(int unix_socket, std::optional<gid_t> group);

}  // namespace cardswap
