#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/criu/image_handshakes.h"
#include "agent/criu/image_manifest.h"
#include "migrator/core/cipher.h"
#include "migrator/core/rate.h"

/// Sends a process image from agent to agent: one TCP connection that begins with the reservation's
/// token, then frames of at most 1 MiB, sealed with AES-256-GCM where there is a key
/// (docs/wire.md). Each end is used by one coroutine; close() from another one ends its wait with
/// an error.
namespace cardswap::criu {

class ImageFrames;

/// The source's end.
class ImageSender {
 public:
  explicit ImageSender(boost::asio::io_context& context);
  ~ImageSender();

  /// Connects, shows the token and waits for the target's receipt, before the downtime. `key` in
  /// hexadecimal; empty: not sealed. Throws Error{unreachable} after 10 s at most; Error{link_lost}
  /// where the target does not accept the token; Error{bad_request} for a bad key or receipt.
  boost::asio::awaitable<void> connect(std::string host, std::uint16_t port, std::string token,
                                       std::string key);
  /// Sends an image after connect(); returns when the target has all of it. `bytes_per_s_max` 0: no
  /// limit. Throws Error{link_lost, io, bad_request}, and Error{refused} for too many files.
  boost::asio::awaitable<void> send(const ImageDir& images, const ImageManifest& manifest,
                                    std::uint64_t bytes_per_s_max);
  void close();

 private:
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<ImageFrames> frames_;
};

/// The target's end.
class ImageReceiver {
 public:
  /// Listens on `host`, on a free port. Throws Error{io} where it cannot.
  ImageReceiver(boost::asio::io_context& context, const std::string& host, std::string token,
                std::string key);
  ~ImageReceiver();

  [[nodiscard]] std::uint16_t port() const;
  /// Waits, without a limit, for the sender that has the token and then for its image; closes all
  /// other connections. Call it once. Throws Error{link_lost} (after close() too),
  /// Error{bad_request, unauthorized} for a bad image, Error{no_memory} where it does not fit,
  /// Error{io}.
  boost::asio::awaitable<ImageManifest> receive(const ImageDir& images);
  void close();

 private:
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::socket socket_;
  ImageHandshakes handshakes_;
  std::string key_;
  std::unique_ptr<ImageFrames> frames_;
};

}  // namespace cardswap::criu
