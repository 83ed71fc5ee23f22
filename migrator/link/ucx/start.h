#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "migrator/link/ucx/handles.h"

namespace cardswap::ucx {

/// Which networks of this host UCX may use.
struct Networks {
  std::string transports;  ///< UCX_TLS, then UCX_NET_DEVICES behind an `@`; empty: UCX chooses
  /// The address on which the link listens or to which it connects. If it is IPv6, UCX tells its
  /// peer the IPv6 addresses of the interfaces instead of the IPv4 ones.
  std::string host;
  /// The addresses of the other side, as in LinkOptions. Interfaces that do not lead there are left
  /// out (devices_to()), unless `transports` or the environment's UCX_NET_DEVICES names interfaces.
  std::string allowed_addresses;
};
/// Make UCX's context and worker. The context outlives the worker. Both throw Error{link_lost}.
[[nodiscard]] Context make_context(const Networks& networks);
[[nodiscard]] Worker make_worker(ucp_context_h context);

/// The address for socket calls of a numeric `host` and a port; `length` receives its size. Throws
/// Error{bad_request} when `host` is not a numeric address, and Error{refused} for a link-local
/// one, which UCX cannot use.
[[nodiscard]] sockaddr_storage numeric_address(const std::string& host, std::uint16_t port,
                                               socklen_t& length);

}  // namespace cardswap::ucx
