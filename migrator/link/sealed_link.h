#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "migrator/core/cipher.h"
#include "migrator/link/link.h"

namespace cardswap {

/// The only message that is sent in the clear over a sealed link: it tells the sender that its
/// first message could not be decrypted. The engines define the message; the link does not look
/// into it.
struct ClearRefusal {
  std::vector<std::byte> message;  ///< the refusal that this side sends
  /// Whether a received message is a refusal. Throws Error{bad_request} for bytes that are not any
  /// message of the engines.
  std::function<bool(std::span<const std::byte> message)> is_one;
};

/// A Link that encrypts and authenticates everything (docs/wire.md). If somebody without the key
/// changes, repeats, moves or forges bytes, the connection is closed and the engine never sees
/// them.
///
/// The engine gets control messages in the order in which they were sent. It gets a payload after
/// its tag was checked, so each payload is copied once more on either side. If the first message of
/// a peer cannot be decrypted, the peer is told so in the clear, and the message is ignored.
/// Threads: as Link.
class SealedLink final : public Link, private LinkListener {
 public:
  using MakeLink = std::function<std::unique_ptr<Link>(LinkListener&)>;

  /// `outgoing` is the direction of what this side sends. `make` must return a connecting Link for
  /// source_to_target and a listening one for target_to_source. Throws what `make` throws, and
  /// Error{internal} when OpenSSL fails. `link_listener` outlives this.
  SealedLink(const CipherKey& key, Direction outgoing, ClearRefusal refusal,
             LinkListener& link_listener, const MakeLink& make);
  ~SealedLink() override;

  void send_control(LinkId to, std::vector<std::byte> message) override;
  void send_payload(LinkId to, std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override;
  [[nodiscard]] std::size_t payloads_in_flight() const override {
    return link_->payloads_in_flight();
  }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return link_->control_in_flight();
  }
  void drop(LinkId peer) override;
  void admit(LinkId peer) override { link_->admit(peer); }
  void wait(std::chrono::steady_clock::time_point deadline) override { link_->wait(deadline); }
  void wake() noexcept override { link_->wake(); }
  [[nodiscard]] std::uint16_t port() const override { return link_->port(); }

 private:
  /// One connection's keys and counts.
  struct Peer {
    Peer(const CipherKey& key, const CipherSalt& salt, Direction outgoing);
    CipherSalt salt;
    Cipher outgoing;
    Cipher incoming;
    bool has_spoken = false;  ///< a message from it was decrypted
    std::uint64_t control_sent = 0;
    std::uint64_t payloads_sent = 0;
    std::uint64_t control_due = 0;
    std::map<std::uint64_t, std::vector<std::byte>> early;  // control messages before their turn
    std::map<std::uint64_t, std::vector<std::byte>> landing;
    std::uint64_t payload_due = 0;   // payloads with a lower number have landed
    std::set<std::uint64_t> landed;  // numbers above payload_due that have landed
  };

  void on_control(LinkId peer, std::span<const std::byte> frame) override;
  std::span<std::byte> reserve(LinkId peer, std::span<const std::byte> header,
                               std::size_t bytes) override;
  void on_received(LinkId peer, std::span<const std::byte> header, std::size_t bytes) override;
  void on_lost(LinkId peer, std::string_view why) override;
  [[nodiscard]] bool admits() const override { return link_listener_.admits(); }

  void take_control(LinkId id, Peer& peer, std::uint64_t number, std::span<const std::byte> aad,
                    std::span<const std::byte> sealed);
  void take_clear(LinkId id, std::span<const std::byte> message);
  void refuse(LinkId id);
  void forget(LinkId id);
  [[nodiscard]] Peer& at(LinkId id);

  const CipherKey key_;
  const Direction outgoing_;
  const ClearRefusal refusal_;
  LinkListener& link_listener_;
  std::map<LinkId, Peer> peers_;
  std::set<CipherSalt> salts_;  // of all connections so far: a salt is accepted once
  // Memory that reserve() returned for peers that are gone: a transfer in flight may still write
  // there for as long as link_ lives.
  std::multimap<std::uint64_t, std::vector<std::byte>> abandoned_;
  std::unique_ptr<Link> link_;  // dies first: it calls this listener, and writes to its memory
};

}  // namespace cardswap
