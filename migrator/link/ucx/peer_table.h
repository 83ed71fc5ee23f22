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

/// The peers of a UcxLink, by number, and the losses that it has not told its engine yet.
///
/// Decides whom a full link turns away, and how much a peer may say before it is admitted. The
/// table calls no UCX: the link makes and closes the endpoints, which are pointers here. One
/// thread.
class PeerTable {
 public:
  using Clock = std::chrono::steady_clock;
  /// A peer that has to go, and why.
  struct Loss {
    PeerId peer{};
    std::string why;
  };

  /// Adds a peer. Numbers are given from 0 on, in the order in which peers come.
  PeerId add(ucp_ep* endpoint, bool admitted, Clock::time_point came);
  void admit(PeerId peer);
  /// Removes a peer and returns its endpoint, for the caller to close; null: it is gone already.
  ucp_ep* remove(PeerId peer);

  [[nodiscard]] bool is_empty() const { return peers_.empty(); }
  [[nodiscard]] bool is_full() const;
  [[nodiscard]] bool has(PeerId peer) const { return peers_.contains(peer); }
  [[nodiscard]] PeerId first() const { return peers_.begin()->first; }
  /// The endpoint of a peer; null: it is gone.
  [[nodiscard]] ucp_ep* endpoint_of(PeerId peer) const;
  [[nodiscard]] std::optional<PeerId> find(const ucp_ep* endpoint) const;
  /// The peer that has waited longest to be admitted: it makes room for the next one.
  [[nodiscard]] std::optional<PeerId> longest_not_admitted() const;
  /// A peer that should have been admitted by `now`.
  [[nodiscard]] std::optional<PeerId> overdue(Clock::time_point now) const;

  /// Counts a control message of `bytes`. Throws Error{bad_request} for one that is too large, or
  /// too much before the peer is admitted.
  void check_control(PeerId from, std::size_t bytes);

  /// Notes that a peer is to go.
  void note_loss(PeerId peer, std::string why) noexcept;
  /// The first loss of a peer that is still here.
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
  std::map<PeerId, Peer> peers_;
  std::deque<Loss> losses_;
};

}  // namespace cardswap::ucx
