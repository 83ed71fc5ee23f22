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

/// The frames of a connection that carries a process image: a u32 size, then that many bytes. With
/// a key, each frame is sealed under its number. A peer that makes no progress for kStallMax is
/// lost; only the first frame is awaited without a limit, because the source dumps its process
/// before it. The socket must outlive it. One coroutine at a time; one side sends frames, the other
/// receives.
class ImageFrames {
 public:
  static constexpr std::size_t kBytesMax = 1U << 20;
  static constexpr std::chrono::seconds kStallMax{3};

  /// Frames that are not sealed.
  explicit ImageFrames(boost::asio::ip::tcp::socket& socket) : socket_(socket) {}
  /// Frames that are sealed with `key` (hexadecimal), or not sealed where it is empty. Throws
  /// Error{bad_request} for a bad key.
  ImageFrames(boost::asio::ip::tcp::socket& socket, const std::string& key, const CipherSalt& salt);

  /// The buffer for the next frame's bytes, of kBytesMax.
  [[nodiscard]] std::span<std::byte> room();
  /// Sends the first `bytes` of room() as a frame. Throws Error{link_lost}.
  boost::asio::awaitable<void> send(std::size_t bytes);
  /// The next frame's bytes, valid until the next call. Throws Error{link_lost, bad_request,
  /// unauthorized}.
  boost::asio::awaitable<std::span<const std::byte>> receive();
  /// Sends a receipt: one byte that is not part of a frame. Throws Error{link_lost}.
  boost::asio::awaitable<void> send_receipt();
  /// Waits for the peer's receipt. Throws Error{link_lost}, and Error{bad_request} for another
  /// byte.
  boost::asio::awaitable<void> wait_for_receipt();

 private:
  boost::asio::ip::tcp::socket& socket_;
  std::optional<Cipher> cipher_;
  std::uint64_t number_ = 0;
  std::vector<std::byte> buffer_;
};

/// Reads or writes all of `bytes`; the socket is closed when the peer makes no progress for
/// `limit`. Throws Error{link_lost}.
boost::asio::awaitable<void> read_all(boost::asio::ip::tcp::socket& socket,
                                      std::span<std::byte> bytes, std::chrono::milliseconds limit);
boost::asio::awaitable<void> write_all(boost::asio::ip::tcp::socket& socket,
                                       std::span<const std::byte> bytes,
                                       std::chrono::milliseconds limit);

}  // namespace cardswap::criu
