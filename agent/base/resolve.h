#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// What a name stands for.
struct Resolved {
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;
  boost::system::error_code error;  ///< timed_out: the host's resolver had not answered by then
};

/// Asks the host's resolver for the addresses of `host`, and waits until `until` at most. A query
/// that was started cannot be ended, neither by cancel() nor by a timer: it goes on in the
/// background, and later queries wait for it. Throws system_error{operation_aborted} when the
/// coroutine is cancelled.
[[nodiscard]] boost::asio::awaitable<Resolved> resolve(std::string host, std::uint16_t port,
                                                       std::chrono::steady_clock::time_point until);

}  // namespace cardswap
