#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/cipher.h"

namespace cardswap::criu {

/// The frames of one direction of a connection: a u32 size, then that many bytes. Where there is a
/// key, each frame is sealed under its number. A peer that takes or gives nothing for kStallMax is
/// lost.
class ImageFrames {
 public:
  static constexpr std::size_t kBytesMax = 1U << 20;
  static constexpr std::chrono::seconds kStallMax{3};

  explicit ImageFrames(boost::asio::ip::tcp::socket& socket) : socket_(socket) {}
  ImageFrames(boost::asio::ip::tcp::socket& socket, const std::string& key, const CipherSalt& salt);

  /// The room for the next frame's bytes, up to kBytesMax.
  [[nodiscard]] std::span<std::byte> room();
  /// Sends the first `bytes` of room(). Throws Error{link_lost}.
  boost::asio::awaitable<void> send(std::size_t bytes);
  /// The next frame's bytes, valid until the next call. Throws Error{link_lost, bad_request,
  /// unauthorized}.
  boost::asio::awaitable<std::span<const std::byte>> receive();
  /// Sends one byte that is not part of a frame: "I have it".
  boost::asio::awaitable<void> send_receipt();
  boost::asio::awaitable<void> wait_for_receipt();

 private:
  boost::asio::ip::tcp::socket& socket_;
  std::optional<Cipher> cipher_;
  std::uint64_t number_ = 0;
  std::vector<std::byte> buffer_;
};

/// Reads or writes all of `bytes`; a peer without progress for `limit` loses the connection.
/// Throws Error{link_lost}.
boost::asio::awaitable<void> read_all(boost::asio::ip::tcp::socket& socket,
                                      std::span<std::byte> bytes, std::chrono::milliseconds limit);
boost::asio::awaitable<void> write_all(boost::asio::ip::tcp::socket& socket,
                                       std::span<const std::byte> bytes,
                                       std::chrono::milliseconds limit);

}  // namespace cardswap::criu
