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

/// Asks the host's resolver for the addresses of `host`, until then at most. A question under way
/// cannot be ended, neither by cancel() nor by a timer beside it: it goes on alone, and holds up
/// those behind it. Throws system_error{operation_aborted} when the coroutine is cancelled.
[[nodiscard]] boost::asio::awaitable<Resolved> resolve(std::string host, std::uint16_t port,
                                                       std::chrono::steady_clock::time_point until);

}  // namespace cardswap
