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

/// The id of a peer, valid within one Link. An id is never used again.
enum class LinkId : std::uint32_t {};
enum class MemoryKind : std::uint8_t;

/// The events of a Link, for its engine. All are called on the thread that calls Link::wait(), from
/// within that call. Spans are valid during the call only.
///
/// A peer's bytes are passed on unchecked. When on_control(), reserve() or on_received() throws,
/// the link closes that peer's connection and calls on_lost() with the exception's text. on_lost()
/// must not throw: its exception would leave Link::wait().
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void on_control(LinkId peer, std::span<const std::byte> message) = 0;
  /// Returns the memory for the payload with `header`, exactly `bytes` long. It stays valid until
  /// on_received(), or until the Link is gone: after Link::drop() or on_lost() a transfer in flight
  /// may still write there. Throws Error for a payload that this side did not expect.
  virtual std::span<std::byte> reserve(LinkId peer, std::span<const std::byte> header,
                                       std::size_t bytes) = 0;
  /// The payload is in the memory that reserve() returned.
  virtual void on_received(LinkId peer, std::span<const std::byte> header, std::size_t bytes) = 0;
  /// The peer is gone, for the reason `why`; no other event of this peer follows. Not called after
  /// Link::drop().
  virtual void on_lost(LinkId peer, std::string_view why) = 0;
  /// Whether new peers of a listening link are restricted (see Link::admit()).
  [[nodiscard]] virtual bool admits() const { return false; }
};

/// Connections to peers, as the engines see them: small control messages in order, and
/// payloads that land in the receiver's memory without a copy (an encrypted link makes one). A
/// payload may land after a control message that was sent later. All calls on one thread, except
/// wake(). Sends do not block; a send to a peer that is gone does nothing. Sends throw
/// Error{internal} when an encrypted link cannot seal.
class Link {
 public:
  virtual ~Link() = default;
  /// Sends a message. One of more than 64 MiB ends the connection at its receiver.
  virtual void send_control(LinkId to, std::vector<std::byte> message) = 0;
  /// Sends a payload. `header` has 1 to 55 bytes; a longer one may end the connection at its
  /// receiver. The memory must stay valid until the payload was sent or the Link is gone;
  /// the Link holds `owner`, if given, until then. The bytes may change before that; then the
  /// receiver may get a mixture of old and new bytes.
  virtual void send_payload(LinkId to, std::vector<std::byte> header,
                            std::span<const std::byte> payload,
                            std::shared_ptr<const void> owner = {}) = 0;
  /// The least size of a payload, in bytes, that may lie in memory of this kind at the sender and
  /// at the receiver. Nullopt: no payload may lie in such memory.
  [[nodiscard]] virtual std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const = 0;
  /// Payloads, and control messages, that were given to the link and are not sent yet.
  [[nodiscard]] virtual std::size_t payloads_in_flight() const = 0;
  [[nodiscard]] virtual std::size_t control_in_flight() const = 0;
  /// Closes the connection; on_lost() is not called. May block for a fraction of a second. Does
  /// nothing to a peer that is gone.
  virtual void drop(LinkId peer) = 0;
  /// Lifts the restrictions on a peer that has proven its identity. If the listener admits(), a
  /// peer that is not admitted within a few seconds is lost, or earlier when the link is full and
  /// another peer connects; and it may send at most 64 KiB of control messages until then.
  virtual void admit(LinkId peer) = 0;
  /// Moves bytes and delivers events. Sleeps until there was an event or a completed send, wake()
  /// was called, or the deadline has come. An event may call wait() again. Throws Error{link_lost}
  /// when the network library fails.
  virtual void wait(std::chrono::steady_clock::time_point deadline) = 0;
  /// Ends the wait() in progress, or the next one. Any thread, also within an event.
  virtual void wake() noexcept = 0;
  /// The port on which it listens; 0 for a connecting link.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};

/// The peer of a connecting link.
inline constexpr LinkId kServer{0};

/// The networks over which a link reaches its peers, and the peers that may reach it.
struct LinkOptions {
  std::string transports;  ///< UCX_TLS or TLS@NET_DEVICES; empty: UCX chooses
  /// The numeric addresses that may reach the link, separated by blanks; empty: any address.
  std::string allowed_addresses = {};
};

/// Connects in the clear; the engines call connect_link() (open_link.h). `host` is a numeric
/// address. Returns before the connection is made: if the peer refuses it, on_lost(kServer)
/// follows. Throws Error{bad_request, refused, unreachable, link_lost, io}. `link_listener`
/// outlives the link.
[[nodiscard]] std::unique_ptr<Link> connect_bare_link(const std::string& host, std::uint16_t port,
                                                      const LinkOptions& options,
                                                      LinkListener& link_listener);
/// Listens in the clear on a free port of `host`, a numeric address. Throws Error{bad_request,
/// refused, io, link_lost}. `link_listener` outlives the link.
[[nodiscard]] std::unique_ptr<Link> listen_bare_link(const std::string& host,
                                                     const LinkOptions& options,
                                                     LinkListener& link_listener);
/// The address on which a target listens when it was told to listen on `host`; its source has to
/// connect to it. It is 127.0.0.1 for all of 127.0.0.0/8, and for ::1 if the UCX of this host
/// cannot use ::1. Otherwise it is `host`. Throws nothing.
[[nodiscard]] std::string listening_host(const std::string& host);
/// Host and port as one text: "10.0.0.2:4711", "[fd00::2]:4711".
[[nodiscard]] std::string link_address(const std::string& host, std::uint16_t port);

}  // namespace cardswap
