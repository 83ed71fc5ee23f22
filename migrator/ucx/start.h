#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "migrator/ucx/handles.h"

namespace cardswap::ucx {

/// `transports`: UCX_TLS, with UCX_NET_DEVICES behind an `@`; empty: as UCX chooses. Both calls
/// throw Error{link_lost}.
[[nodiscard]] Context make_context(const std::string& transports);
[[nodiscard]] Worker make_worker(ucp_context_h context);

/// A numeric address and port as the socket calls want it. Throws Error{bad_request}.
[[nodiscard]] sockaddr_storage numeric_address(const std::string& host, std::uint16_t port,
                                               socklen_t& length);

}  // namespace cardswap::ucx
