#pragma once

#include <sys/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <optional>

namespace cardswap {

/// The user that made the socket at the other end of a TCP connection within this host, by the
/// kernel's word (sock_diag). `here` is our end, `there` the other. Nothing where one is no
/// loopback address, where no process holds that socket any more, or the kernel does not say.
[[nodiscard]] std::optional<uid_t> user_at(const boost::asio::ip::tcp::endpoint& here,
                                           const boost::asio::ip::tcp::endpoint& there);

}  // namespace cardswap
