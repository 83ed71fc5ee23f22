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

/// The one message that goes in the clear over a sealed link: it says that something did not open.
/// It is a message of the engines; the link knows no more of it.
struct ClearRefusal {
  std::vector<std::byte> message;  ///< the one that this side sends
  /// Whether a message is such a refusal. Throws Error{bad_request} for what is no message.
  std::function<bool(std::span<const std::byte> message)> is_one;
};

/// A Link that seals everything (docs/wire.md). Bytes that somebody without the key has changed,
/// repeated, moved or made up cost the connection, and the engine never sees them.
///
/// Control messages are handed on in the order in which they were sent. A payload is handed on
/// after its tag was checked, so it is copied once more on either side. A peer whose first message
/// does not open is told so in the clear and ignored. Threads: as Link.
class SealedLink final : public Link, private LinkListener {
 public:
  using MakeLink = std::function<std::unique_ptr<Link>(LinkListener&)>;

  /// `make` connects or listens, as `outgoing` says: what this side sends.
  SealedLink(const CipherKey& key, Direction outgoing, ClearRefusal refusal,
             LinkListener& link_listener, const MakeLink& make);
  ~SealedLink() override;

  void send_control(PeerId to, std::vector<std::byte> message) override;
  void send_bulk(PeerId to, std::vector<std::byte> header, std::span<const std::byte> payload,
                 std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override;
  [[nodiscard]] std::size_t bulk_in_flight() const override { return link_->bulk_in_flight(); }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return link_->control_in_flight();
  }
  void drop(PeerId peer) override;
  void admit(PeerId peer) override { link_->admit(peer); }
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
    bool has_spoken = false;  ///< something that it sent has opened
    std::uint64_t control_sent = 0;
    std::uint64_t bulk_sent = 0;
    std::uint64_t control_due = 0;
    std::map<std::uint64_t, std::vector<std::byte>> early;  // control that came before its turn
    std::map<std::uint64_t, std::vector<std::byte>> landing;
    std::uint64_t bulk_due = 0;      // all below have landed
    std::set<std::uint64_t> landed;  // of those above
  };

  void on_control(PeerId peer, std::span<const std::byte> frame) override;
  std::span<std::byte> reserve(PeerId peer, std::span<const std::byte> header,
                               std::size_t bytes) override;
  void on_received(PeerId peer, std::span<const std::byte> header, std::size_t bytes) override;
  void on_lost(PeerId peer, std::string_view why) override;
  [[nodiscard]] bool admits() const override { return link_listener_.admits(); }

  void take_control(PeerId id, Peer& peer, std::uint64_t number, std::span<const std::byte> clear,
                    std::span<const std::byte> sealed);
  void take_clear(PeerId id, std::span<const std::byte> message);
  void refuse(PeerId id);
  [[nodiscard]] Peer& at(PeerId id);

  const CipherKey key_;
  const Direction outgoing_;
  const ClearRefusal refusal_;
  LinkListener& link_listener_;
  std::map<PeerId, Peer> peers_;
  std::set<CipherSalt> salts_;  // each opens one connection, once
  std::unique_ptr<Link> link_;  // dies first: it calls the events
};

}  // namespace cardswap
