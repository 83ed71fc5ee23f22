#include "migrator/link/ucx/link_table.h"

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

LinkId LinkTable::add(ucp_ep* endpoint, bool admitted, Clock::time_point came) {
  const auto id = static_cast<LinkId>(next_++);
  peers_[id] = {.endpoint = endpoint, .admitted = admitted, .control_bytes = 0, .came = came};
  return id;
}

void LinkTable::admit(LinkId peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) found->second.admitted = true;
}

ucp_ep* LinkTable::remove(LinkId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return nullptr;
  auto* endpoint = found->second.endpoint;
  peers_.erase(found);
  return endpoint;
}

bool LinkTable::is_full() const { return peers_.size() >= kPeersMax; }

ucp_ep* LinkTable::endpoint_of(LinkId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : found->second.endpoint;
}

std::optional<LinkId> LinkTable::find(const ucp_ep* endpoint) const {
  for (const auto& [id, peer] : peers_) {
    if (peer.endpoint == endpoint) return id;
  }
  return std::nullopt;
}

std::optional<LinkId> LinkTable::longest_not_admitted() const {
  for (const auto& [id, peer] : peers_) {
    if (!peer.admitted) return id;
  }
  return std::nullopt;
}

std::optional<LinkId> LinkTable::overdue(Clock::time_point now) const {
  const auto longest = longest_not_admitted();
  if (!longest || peers_.at(*longest).came > now - kAdmissionMax) return std::nullopt;
  return longest;
}

void LinkTable::check_control(LinkId from, std::size_t bytes) {
  auto& peer = peers_.at(from);
  if (!peer.admitted) peer.control_bytes += std::min(bytes, kControlBytesMax);
  if (bytes > kControlBytesMax || peer.control_bytes > kControlBytesBeforeAdmission) {
    throw Error(Code::bad_request,
                fmt::format("a control message of {} bytes{}", bytes,
                            peer.admitted ? "" : " of somebody who has shown no token"));
  }
}

void LinkTable::note_loss(LinkId peer, std::string why) noexcept {
  losses_.push_back({peer, std::move(why)});
}

std::optional<LinkTable::Loss> LinkTable::take_loss() {
  while (!losses_.empty()) {
    auto loss = std::move(losses_.front());
    losses_.pop_front();
    if (has(loss.peer)) return loss;
  }
  return std::nullopt;
}

}  // namespace cardswap::ucx
