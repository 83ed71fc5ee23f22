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

/// A Link between two processes that may be of one host. There the receiver copies payloads out of
/// the sender's memory into their places: one copy by one processor, where loopback takes two
/// processors and their kernel. Everything else, and what cannot be read, goes over the line
/// (docs/wire.md).
///
/// The receiver believes nobody. It reads only from an admitted peer, and only after it has found
/// the peer's proof in the memory of the process that the peer names. Threads: as Link.
class SameHostLink final : public Link, private LinkListener {
 public:
  using MakeLink = std::function<std::unique_ptr<Link>(LinkListener&)>;
  /// The side whose memory is read: a connecting link's. The listening one reads.
  enum class End : std::uint8_t { is_read, reads };

  /// `make` connects or listens, as `end` says.
  SameHostLink(End end, LinkListener& link_listener, const MakeLink& make);
  ~SameHostLink() override;

  void send_control(PeerId to, std::vector<std::byte> message) override;
  void send_bulk(PeerId to, std::vector<std::byte> header, std::span<const std::byte> payload,
                 std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override {
    return link_->direct_bytes_min(kind);
  }
  [[nodiscard]] std::size_t bulk_in_flight() const override {
    return link_->bulk_in_flight() + offers_.size();
  }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return link_->control_in_flight();
  }
  void drop(PeerId peer) override;
  void admit(PeerId peer) override;
  void wait(std::chrono::steady_clock::time_point deadline) override;
  void wake() noexcept override { link_->wake(); }
  [[nodiscard]] std::uint16_t port() const override { return link_->port(); }

  /// Payloads that were read, or are offered, and not sent over the line.
  [[nodiscard]] std::uint64_t passed_by_memory() const { return passed_by_memory_; }

 private:
  /// What the sender knows of the receiver.
  enum class Reach : std::uint8_t { not_asked, asked, yes, no };
  /// A payload that waits to be read.
  struct Offer {
    std::span<const std::byte> payload;
    std::shared_ptr<const void> owner;
  };
  /// One whose memory is read.
  struct Sender {
    PeerMemory memory;
    std::uint64_t next = 0;            // offer
    std::vector<std::uint64_t> taken;  // of which it was not told yet
    /// A payload that has a place and was not read yet.
    struct Landing {
      std::vector<std::byte> header;
      std::span<std::byte> destination;
    };
    std::map<std::uint64_t, Landing> missed;  // which come over the line now
  };

  void on_control(PeerId peer, std::span<const std::byte> message) override;
  std::span<std::byte> reserve(PeerId peer, std::span<const std::byte> header,
                               std::size_t bytes) override;
  void on_received(PeerId peer, std::span<const std::byte> header, std::size_t bytes) override;
  void on_lost(PeerId peer, std::string_view why) override;
  [[nodiscard]] bool admits() const override { return link_listener_.admits(); }

  void ask();
  void take_claim(PeerId peer, std::span<const std::byte> fields);
  void take_offer(PeerId peer, std::span<const std::byte> fields);
  void take_answer(std::uint8_t kind, std::span<const std::byte> fields);
  void miss(std::uint64_t number);
  void acknowledge_taken(PeerId peer, Sender& sender);
  [[nodiscard]] Sender& sender_at(PeerId peer);
  void forget(PeerId peer);

  const End end_;
  const std::optional<Digest> host_ = host_of_this_process();
  const std::unique_ptr<const Proof> proof_;  // its address is told
  LinkListener& link_listener_;

  Reach reach_ = Reach::not_asked;
  std::uint64_t offered_ = 0;
  std::map<std::uint64_t, Offer> offers_;
  std::set<PeerId> admitted_;
  std::map<PeerId, Sender> senders_;
  std::uint64_t passed_by_memory_ = 0;

  std::unique_ptr<Link> link_;  // dies first: it calls the events
};

}  // namespace cardswap
