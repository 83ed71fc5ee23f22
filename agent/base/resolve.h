#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// The addresses of a name, or why there are none.
struct Resolved {
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;
  boost::system::error_code error;  ///< timed_out: the host's resolver did not answer in time
};

/// Asks the host's resolver for the addresses of `host`, until `until` at most; a numeric address
/// is returned at once. A question to the resolver cannot be cancelled: after a time-out it goes on
/// alone, and later questions wait for it. Throws system_error{operation_aborted} when the
/// coroutine is cancelled.
[[nodiscard]] boost::asio::awaitable<Resolved> resolve(std::string host, std::uint16_t port,
                                                       std::chrono::steady_clock::time_point until);

}  // namespace cardswap
