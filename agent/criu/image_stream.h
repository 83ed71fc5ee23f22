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

/// A process image on its way from agent to agent: one TCP connection that begins with the
/// reservation's token, then frames of at most 1 MiB, sealed with AES-256-GCM where there is a key
/// (docs/wire.md). Each end is used by one coroutine; close() from another ends what it waits for.
namespace cardswap::criu {

class ImageFrames;

/// The source's end.
class ImageSender {
 public:
  explicit ImageSender(boost::asio::io_context& context);
  ~ImageSender();

  /// Connects and shows the token, so that nothing of it is left for the downtime. `key` in
  /// hexadecimal; empty: not sealed. Throws Error{unreachable, unauthorized}.
  boost::asio::awaitable<void> connect(std::string host, std::uint16_t port, std::string token,
                                       std::string key);
  /// Returns when the target has all of it. Throws Error{link_lost, io}.
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
  /// Listens on `host`, on a free port. Throws Error{io}.
  ImageReceiver(boost::asio::io_context& context, const std::string& host, std::string token,
                std::string key);
  ~ImageReceiver();

  [[nodiscard]] std::uint16_t port() const;
  /// Waits for the one who has the token, then for the image; anybody else is closed. Throws
  /// Error{link_lost, bad_request, no_memory, io}; link_lost after close() too.
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
