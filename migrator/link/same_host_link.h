#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "migrator/link/link.h"
#include "migrator/link/peer_memory.h"

namespace cardswap {

/// A Link between two processes that may be on one host. On one host the receiver copies payloads
/// out of the sender's memory into their places: one copy by one core, where loopback needs two
/// cores and the kernel. Everything else, and each payload that cannot be read, is sent over the
/// inner link (docs/wire.md).
///
/// The receiver trusts nobody. It reads only from an admitted peer, and only after it has found the
/// peer's proof in the memory of the process that the peer names. Threads: as Link.
class SameHostLink final : public Link, private LinkListener {
 public:
  using MakeLink = std::function<std::unique_ptr<Link>(LinkListener&)>;
  /// The end of the link: the memory of the connecting side is read, and the listening side reads.
  enum class End : std::uint8_t { is_read, reads };

  /// `make` returns the inner link: a connecting one for is_read, a listening one for reads. Throws
  /// what `make` throws, and Error{io} when the kernel has no random bytes. `link_listener`
  /// outlives this.
  SameHostLink(End end, LinkListener& link_listener, const MakeLink& make);
  ~SameHostLink() override;

  void send_control(LinkId to, std::vector<std::byte> message) override;
  void send_payload(LinkId to, std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override {
    return link_->direct_bytes_min(kind);
  }
  [[nodiscard]] std::size_t payloads_in_flight() const override {
    return link_->payloads_in_flight() + offers_.size();
  }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return link_->control_in_flight();
  }
  void drop(LinkId peer) override;
  void admit(LinkId peer) override;
  void wait(std::chrono::steady_clock::time_point deadline) override;
  void wake() noexcept override { link_->wake(); }
  [[nodiscard]] std::uint16_t port() const override { return link_->port(); }

  /// Payloads that were passed by memory, as far as this side knows: the receiver counts one when
  /// it has read it, the sender when the receiver has acknowledged it.
  [[nodiscard]] std::uint64_t passed_by_memory() const { return passed_by_memory_; }

 private:
  /// Whether the receiver can read the memory of this process, as far as the sender knows.
  enum class Reach : std::uint8_t { not_asked, asked, yes, no };
  /// A payload that the receiver has not read yet.
  struct Offer {
    std::span<const std::byte> payload;
    std::shared_ptr<const void> owner;
  };
  /// A peer whose memory this side reads.
  struct Sender {
    PeerMemory memory;
    std::uint64_t next = 0;            // number of the next offer
    std::vector<std::uint64_t> taken;  // offers that were read and not acknowledged yet
    /// A payload that could not be read, and the place where it goes.
    struct Landing {
      std::vector<std::byte> header;
      std::span<std::byte> destination;
    };
    std::map<std::uint64_t, Landing> missed;  // these come over the inner link now
  };

  void on_control(LinkId peer, std::span<const std::byte> message) override;
  std::span<std::byte> reserve(LinkId peer, std::span<const std::byte> header,
                               std::size_t bytes) override;
  void on_received(LinkId peer, std::span<const std::byte> header, std::size_t bytes) override;
  void on_lost(LinkId peer, std::string_view why) override;
  [[nodiscard]] bool admits() const override { return link_listener_.admits(); }

  void ask();
  void take_claim(LinkId peer, std::span<const std::byte> fields);
  void take_offer(LinkId peer, std::span<const std::byte> fields);
  void take_answer(std::uint8_t kind, std::span<const std::byte> fields);
  void miss(std::uint64_t number);
  void acknowledge_taken(LinkId peer, Sender& sender);
  [[nodiscard]] Sender& sender_at(LinkId peer);
  void forget(LinkId peer);

  const End end_;
  const std::optional<Digest> host_ = host_of_this_process();
  const std::unique_ptr<const Proof> proof_;  // the peer is told its address
  LinkListener& link_listener_;

  Reach reach_ = Reach::not_asked;
  std::uint64_t offered_ = 0;
  std::map<std::uint64_t, Offer> offers_;
  std::set<LinkId> admitted_;
  std::map<LinkId, Sender> senders_;
  std::uint64_t passed_by_memory_ = 0;

  std::unique_ptr<Link> link_;  // dies first: it calls this listener
};

}  // namespace cardswap
