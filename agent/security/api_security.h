#pragma once

#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/security/access.h"
#include "agent/security/certificate_validity.h"
#include "agent/security/tls_context.h"
#include "agent/security/tokens.h"

namespace cardswap {

/// What the API asks of those who call it.
struct ApiSecurity {
  tls::Context tls;  ///< of the TCP port; none: plain
  Tokens tokens;
  std::optional<gid_t> group;        ///< whose members may act over the unix socket
  bool insecure = false;             ///< without TLS, whoever reaches the TCP port may act
  std::vector<std::string> names;    ///< of this host
  std::vector<tls::Ending> endings;  ///< of what `tls` was made of

  /// Reads the files that `config` names. Throws Error.
  [[nodiscard]] static ApiSecurity load(const Config& config);
};

/// Who is at the other end of a unix socket, by the kernel's word: root and this process's user own
/// the agent, members of `group` are operators.
[[nodiscard]] Caller caller_at(int unix_socket, std::optional<gid_t> group);

/// Who called over TCP without TLS: everybody may act where that was asked for; else the caller is
/// whom the kernel names (loopback_peer.h). Root and this process's user are operator and agent
/// in one, so that two agents of theirs on one host can hand jobs over; members of the group are
/// operators. Nobody owns the agent this way.
[[nodiscard]] Caller caller_over_plain_tcp(const ApiSecurity& security,
                                           const boost::asio::ip::tcp::endpoint& here,
                                           const boost::asio::ip::tcp::endpoint& there);

}  // namespace cardswap
