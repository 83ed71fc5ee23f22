#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// A connection of a link, as its engine names it.
enum class PeerId : std::uint32_t {};
enum class MemoryKind : std::uint8_t;

/// What a link tells its engine, on the thread that calls Link::wait. Bytes are as a peer sent
/// them: an Error thrown here makes the link drop that peer, with the error's text.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void on_control(PeerId peer, std::span<const std::byte> message) = 0;
  /// Where the payload that belongs to `header` goes: exactly `bytes` long, valid until on_received
  /// or the peer's loss. Throws Error for a payload that nobody asked for.
  virtual std::span<std::byte> reserve(PeerId peer, std::span<const std::byte> header,
                                       std::size_t bytes) = 0;
  virtual void on_received(PeerId peer, std::span<const std::byte> header, std::size_t bytes) = 0;
  virtual void on_lost(PeerId peer, std::string_view why) = 0;
  /// Whether a listening link holds its peers short until Link::admit().
  [[nodiscard]] virtual bool admits() const { return false; }
};

/// Connections to peers, as the engines see them: small control messages in order, and bulk
/// payloads that land in the receiver's memory without a copy. A bulk payload may land after a
/// control message that was sent later. All calls on one thread, wake() excepted.
class Link {
 public:
  virtual ~Link() = default;
  virtual void send_control(PeerId to, std::vector<std::byte> message) = 0;
  /// Sends a payload. It must stay valid until it was sent or the Link is gone; `owner`, where
  /// given, is let go then. Its bytes may change meanwhile, and what lands is then a mixture.
  virtual void send_bulk(PeerId to, std::vector<std::byte> header,
                         std::span<const std::byte> payload,
                         std::shared_ptr<const void> owner = {}) = 0;
  /// The bytes from which on a payload may lie in such memory, and land there; none: never.
  [[nodiscard]] virtual std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const = 0;
  [[nodiscard]] virtual std::size_t bulk_in_flight() const = 0;
  [[nodiscard]] virtual std::size_t control_in_flight() const = 0;
  virtual void drop(PeerId peer) = 0;
  /// Admits a peer that has shown to be the one that is waited for. Where the engine admits(),
  /// whoever is not admitted within seconds is dropped, or before that for the next one who comes,
  /// and may say little.
  virtual void admit(PeerId peer) = 0;
  /// Moves bytes and delivers events; returns after an event, a completed send, wake() or at the
  /// deadline. Sleeps in between.
  virtual void wait(std::chrono::steady_clock::time_point deadline) = 0;
  /// Ends a wait(). Any thread, also from a callback.
  virtual void wake() noexcept = 0;
  /// The port it listens on; 0 for a connecting link.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};

/// The peer of a connecting link.
inline constexpr PeerId kServer{0};

/// How a link reaches its peers, and which ones.
struct LinkOptions {
  std::string transports;  ///< UCX_TLS or TLS@NET_DEVICES; empty: as UCX chooses
  /// The addresses from which the link may be reached at all, a blank between; empty: any.
  std::string peers = {};
};

/// Connects in the clear; the engines use open_link.h's. A refusal arrives as on_lost(kServer).
/// Throws Error{bad_request, unreachable}.
[[nodiscard]] std::unique_ptr<Link> connect_bare_link(const std::string& host, std::uint16_t port,
                                                      const LinkOptions& options,
                                                      LinkListener& link_listener);
/// Listens in the clear on a free port of `host`, a numeric address. Throws Error{bad_request,
/// refused, io}.
[[nodiscard]] std::unique_ptr<Link> listen_bare_link(const std::string& host,
                                                     const LinkOptions& options,
                                                     LinkListener& link_listener);
/// Where a target that was told to listen on `host` does so, and its source has to connect to: on
/// 127.0.0.1 in place of the other 127.0.0.0/8, and of ::1 where this host's UCX cannot use that.
[[nodiscard]] std::string listening_host(const std::string& host);
/// "10.0.0.2:4711", "[fd00::2]:4711".
[[nodiscard]] std::string link_address(const std::string& host, std::uint16_t port);

}  // namespace cardswap
