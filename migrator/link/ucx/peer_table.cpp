#include "migrator/link/ucx/peer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap::ucx {
namespace {

constexpr std::size_t kPeersMax = 16;
/// The same time for which an admitted peer may be silent.
constexpr std::chrono::seconds kAdmissionMax{3};
constexpr std::size_t kControlBytesMax = 64U << 20;
constexpr std::size_t kControlBytesBeforeAdmission = 64U << 10;

}  // namespace

PeerId PeerTable::add(ucp_ep* endpoint, bool admitted, Clock::time_point came) {
  const auto id = static_cast<PeerId>(next_++);
  peers_[id] = {.endpoint = endpoint, .admitted = admitted, .control_bytes = 0, .came = came};
  return id;
}

void PeerTable::admit(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) found->second.admitted = true;
}

ucp_ep* PeerTable::remove(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return nullptr;
  auto* endpoint = found->second.endpoint;
  peers_.erase(found);
  return endpoint;
}

bool PeerTable::is_full() const { return peers_.size() >= kPeersMax; }

ucp_ep* PeerTable::endpoint_of(PeerId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : found->second.endpoint;
}

std::optional<PeerId> PeerTable::find(const ucp_ep* endpoint) const {
  for (const auto& [id, peer] : peers_) {
    if (peer.endpoint == endpoint) return id;
  }
  return std::nullopt;
}

std::optional<PeerId> PeerTable::longest_not_admitted() const {
  for (const auto& [id, peer] : peers_) {
    if (!peer.admitted) return id;
  }
  return std::nullopt;
}

std::optional<PeerId> PeerTable::overdue(Clock::time_point now) const {
  const auto longest = longest_not_admitted();
  if (!longest || peers_.at(*longest).came > now - kAdmissionMax) return std::nullopt;
  return longest;
}

void PeerTable::check_control(PeerId from, std::size_t bytes) {
  auto& peer = peers_.at(from);
  if (!peer.admitted) peer.control_bytes += std::min(bytes, kControlBytesMax);
  if (bytes > kControlBytesMax || peer.control_bytes > kControlBytesBeforeAdmission) {
    throw Error(Code::bad_request,
                fmt::format("a control message of {} bytes{}", bytes,
                            peer.admitted ? "" : " of somebody who has shown no token"));
  }
}

void PeerTable::note_loss(PeerId peer, std::string why) noexcept {
  losses_.push_back({peer, std::move(why)});
}

std::optional<PeerTable::Loss> PeerTable::take_loss() {
  while (!losses_.empty()) {
    auto loss = std::move(losses_.front());
    losses_.pop_front();
    if (has(loss.peer)) return loss;
  }
  return std::nullopt;
}

}  // namespace cardswap::ucx
