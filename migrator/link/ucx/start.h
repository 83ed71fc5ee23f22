#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "migrator/link/ucx/handles.h"

namespace cardswap::ucx {

/// What UCX is to use of this host's networks.
struct Networks {
  std::string transports;  ///< UCX_TLS, with UCX_NET_DEVICES behind an `@`; empty: as UCX chooses
  /// The address of the link's listener: where it is IPv6, an interface's IPv6 address is told to
  /// the peer and not its IPv4 one.
  std::string host;
  /// The other side, as LinkOptions has it; interfaces that lead to none of it are left out, unless
  /// UCX_NET_DEVICES says otherwise.
  std::string peers;
};
/// Make UCX's context and worker. Both throw Error{link_lost}.
[[nodiscard]] Context make_context(const Networks& networks);
[[nodiscard]] Worker make_worker(ucp_context_h context);

/// A numeric address and port as the socket calls want it. Throws Error{bad_request} for what is
/// none, Error{refused} for one that UCX cannot connect to.
[[nodiscard]] sockaddr_storage numeric_address(const std::string& host, std::uint16_t port,
                                               socklen_t& length);

}  // namespace cardswap::ucx
