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

/// Who may call the API, and how callers prove who they are.
struct ApiSecurity {
  tls::Context tls;  ///< of the TCP port; null: TCP is plain
  Tokens tokens;
  std::optional<gid_t> group;  ///< its members are operators; none: no group
  bool insecure = false;       ///< whoever reaches the TCP port without TLS is operator and agent
  std::vector<std::string> names;    ///< names of this host; a Host header may have them
  std::vector<tls::Ending> endings;  ///< when the certificates and lists in `tls` end

  /// Reads the files that `config` names. Throws Error{bad_request, io, refused}.
  [[nodiscard]] static ApiSecurity load(const Config& config);
};

/// Who is at the other end of a unix socket, as the kernel says: root and this process's user own
/// the agent, members of `group` are operators, and others have no role.
[[nodiscard]] Caller caller_at(int unix_socket, std::optional<gid_t> group);

/// Who called over TCP without TLS. If `security.insecure`, every caller is operator and agent.
/// Else the kernel says who it is, for connections within this host (loopback_peer.h): root and
/// this process's user are operator and agent, so that two of their agents on one host can hand
/// jobs over; members of the group are operators; others have no role. Nobody owns the agent over
/// TCP.
[[nodiscard]] Caller caller_over_plain_tcp(const ApiSecurity& security,
                                           const boost::asio::ip::tcp::endpoint& here,
                                           const boost::asio::ip::tcp::endpoint& there);

}  // namespace cardswap
