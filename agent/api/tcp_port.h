#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/base/address.h"

namespace cardswap {

/// A socket that listens at `at`, an address of this host; port 0 takes any free port. Callers wait
/// until it accepts. Throws Error{io}: the port is in use, not allowed, or the address is not this
/// host's.
[[nodiscard]] boost::asio::ip::tcp::acceptor open_tcp_port(boost::asio::io_context& context,
                                                           const Address& at);

}  // namespace cardswap
