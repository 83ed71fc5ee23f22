#pragma once

#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>

namespace cardswap {

/// The user who made the socket at the other end of a TCP connection within this host, as the
/// kernel says (sock_diag). `here` is our end, `there` the other. Nothing if an end is no loopback
/// address, if no process has that socket open, or if the kernel does not say.
[[nodiscard]] std::optional<uid_t> user_at(const boost::asio::ip::tcp::endpoint& here,
                                           const boost::asio::ip::tcp::endpoint& there);

}  // namespace cardswap
