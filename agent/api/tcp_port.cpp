#include "agent/api/tcp_port.h"

#include <fmt/format.h>

#include <boost/asio/ip/v6_only.hpp>

#include "migrator/base/error.h"

namespace cardswap {

namespace asio = boost::asio;

asio::ip::tcp::acceptor open_tcp_port(asio::io_context& context, const Address& at) {
  try {
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(at.host), at.port);
    asio::ip::tcp::acceptor port(context);
    port.open(endpoint.protocol());
    port.set_option(asio::socket_base::reuse_address(true));
    // [::] means every address, also of IPv4, whatever the system's default is.
    if (endpoint.address().is_v6()) port.set_option(asio::ip::v6_only(!is_wildcard(at.host)));
    port.bind(endpoint);
    // At once: until it listens, somebody else could be given the same free port.
    port.listen();
    return port;
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io, fmt::format("listen on {}: {}", at.text(), error.code().message()),
                "another agent or program has this port, or the address is not this host's; choose "
                "another with --listen");
  }
}

}  // namespace cardswap
