#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "migrator/core/cipher.h"

namespace cardswap::criu {

/// The greeting of a sender of a process image: magic, token and salt. It has a fixed size, so that
/// a stranger cannot make the receiver wait for more.
inline constexpr std::string_view kImageMagic = "CSIMAGE1";
inline constexpr std::size_t kImageTokenBytes = 32;
inline constexpr std::size_t kImageGreetingBytes =
    kImageMagic.size() + kImageTokenBytes + sizeof(CipherSalt);

/// Reads the greetings of all connections at the same time, keeps a few at most and gives each one
/// second in total, so that no stranger delays the sender that has the token. One thread.
class ImageHandshakes {
 public:
  static constexpr std::chrono::milliseconds kGreetingMax{1000};
  static constexpr std::size_t kTogetherMax = 16;  ///< above it the oldest connection is closed

  /// `acceptor` must outlive it; its owner closes it to end the wait.
  ImageHandshakes(boost::asio::ip::tcp::acceptor& acceptor, std::string token);

  /// A sender that has shown the token.
  struct AuthenticatedSender {
    boost::asio::ip::tcp::socket socket;
    CipherSalt salt;
  };
  /// Waits, without a limit, for the first sender that shows the token; closes all others. Throws
  /// Error{link_lost} once the acceptor is closed.
  boost::asio::awaitable<AuthenticatedSender> wait();

 private:
  /// A connection that has not shown the token yet.
  struct PendingSender {
    boost::asio::ip::tcp::socket socket;
    std::chrono::steady_clock::time_point until;
    std::array<std::byte, kImageGreetingBytes> said{};
    std::size_t bytes = 0;
  };
  /// Accepts all waiting connections. False when the kernel has no more sockets now.
  bool let_in();
  std::optional<AuthenticatedSender> next_authenticated();
  boost::asio::awaitable<void> next_event();

  boost::asio::ip::tcp::acceptor& acceptor_;
  const std::string token_;
  std::list<PendingSender> pending_;  // in the order in which they came
};

}  // namespace cardswap::criu
