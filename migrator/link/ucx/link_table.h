#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "migrator/link/link.h"

struct ucp_ep;

namespace cardswap::ucx {

/// The peers of a UcxLink, by number, and the losses that the link has not delivered yet.
///
/// Decides which peer a full link turns away, and how much a peer may send before it is admitted.
/// The table makes no calls of UCX: the link makes and closes the endpoints, which are pointers
/// here. One thread.
class LinkTable {
 public:
  using Clock = std::chrono::steady_clock;
  /// A peer that has to go, and why.
  struct Loss {
    LinkId peer{};
    std::string why;
  };

  /// Adds a peer. Peers are numbered from 0 on, in the order of add(). `came`: when it connected.
  LinkId add(ucp_ep* endpoint, bool admitted, Clock::time_point came);
  void admit(LinkId peer);
  /// Removes a peer and returns its endpoint, which the caller closes. Null: there is no such peer.
  ucp_ep* remove(LinkId peer);

  [[nodiscard]] bool is_empty() const { return peers_.empty(); }
  [[nodiscard]] bool is_full() const;
  [[nodiscard]] bool has(LinkId peer) const { return peers_.contains(peer); }
  /// The peer with the lowest number; not to be called when is_empty().
  [[nodiscard]] LinkId first() const { return peers_.begin()->first; }
  /// The endpoint of a peer. Null: there is no such peer.
  [[nodiscard]] ucp_ep* endpoint_of(LinkId peer) const;
  [[nodiscard]] std::optional<LinkId> find(const ucp_ep* endpoint) const;
  /// The peer that has waited longest to be admitted. Nullopt: all are admitted.
  [[nodiscard]] std::optional<LinkId> longest_not_admitted() const;
  /// A peer that came over 3 s ago and is not admitted. Nullopt: there is no such peer.
  [[nodiscard]] std::optional<LinkId> overdue(Clock::time_point now) const;

  /// Counts a control message of `bytes` from a peer of this table. Throws Error{bad_request} for
  /// more than 64 MiB, and if a peer has sent more than 64 KiB before it is admitted.
  void check_control(LinkId from, std::size_t bytes);

  /// Queues the loss of a peer.
  void note_loss(LinkId peer, std::string why) noexcept;
  /// Takes the next loss from the queue; losses of peers that are removed already are dropped.
  /// Nullopt: the queue is empty.
  [[nodiscard]] std::optional<Loss> take_loss();

 private:
  /// One connection.
  struct Peer {
    ucp_ep* endpoint = nullptr;
    bool admitted = true;
    std::size_t control_bytes = 0;  // bytes that it sent before it was admitted
    Clock::time_point came;
  };

  std::uint32_t next_ = 0;
  std::map<LinkId, Peer> peers_;
  std::deque<Loss> losses_;
};

}  // namespace cardswap::ucx
