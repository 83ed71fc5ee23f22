// Whom a UcxLink is connected to: how peers come, and how they are lost.

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "migrator/link/ucx/link.h"
#include "migrator/link/ucx/start.h"

namespace cardswap::ucx {
namespace {

constexpr std::size_t kPeersMax = 16;
/// As long as a peer that was admitted may be silent.
constexpr std::chrono::seconds kAdmissionMax{3};

using Clock = std::chrono::steady_clock;

}  // namespace

void UcxLink::connect(const std::string& host, std::uint16_t port) {
  socklen_t length = 0;
  const auto address = numeric_address(host, port, length);
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = length;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &UcxLink::on_endpoint_error;
  params.err_handler.arg = this;
  ucp_ep_h endpoint = nullptr;
  const auto status = ucp_ep_create(worker_.get(), &params, &endpoint);
  if (status != UCS_OK) {
    throw Error(
        Code::unreachable,
        fmt::format("connect to {}: {}", link_address(host, port), ucs_status_string(status)),
        "check that the target's data address can be reached from this host");
  }
  peer_filter_.attach();
  peers_[kServer] = {.endpoint = endpoint};
  next_peer_ = 1;
}

void UcxLink::listen(const std::string& host) {
  socklen_t length = 0;
  const auto address = numeric_address(host, 0, length);
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = length;
  params.conn_handler.cb = &UcxLink::on_connection;
  params.conn_handler.arg = this;
  ucp_listener_h raw = nullptr;
  const auto status = ucp_listener_create(worker_.get(), &params, &raw);
  if (status != UCS_OK) {
    throw Error(Code::io, fmt::format("listen on {}: {}", host, ucs_status_string(status)),
                "--data-host must be an address of this host");
  }
  listener_.reset(raw);
  peer_filter_.attach();
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  check(ucp_listener_query(raw, &attributes), "ask the UCX listener for its port");
  port_ = ntohs(attributes.sockaddr.ss_family == AF_INET6
                    ? reinterpret_cast<const sockaddr_in6&>(attributes.sockaddr).sin6_port
                    : reinterpret_cast<const sockaddr_in&>(attributes.sockaddr).sin_port);
}

void UcxLink::on_connection(ucp_conn_request_h request, void* self) noexcept {
  auto& link = *static_cast<UcxLink*>(self);
  link.waiting_.push_back(request);
  ++link.happened_;
}

void UcxLink::accept_waiting() {
  while (!waiting_.empty()) {
    const auto request = waiting_.front();
    waiting_.pop_front();
    if (peers_.size() >= kPeersMax) {
      if (const auto other = longest_not_admitted()) {
        turn_away(*other, "another one came");
      } else {
        ucp_listener_reject(listener_.get(), request);
        continue;
      }
    }
    ucp_ep_params_t params{};
    params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST | UCP_EP_PARAM_FIELD_ERR_HANDLER |
                        UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    params.conn_request = request;
    params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
    params.err_handler.cb = &UcxLink::on_endpoint_error;
    params.err_handler.arg = this;
    ucp_ep_h endpoint = nullptr;
    if (ucp_ep_create(worker_.get(), &params, &endpoint) != UCS_OK) continue;
    peers_[static_cast<PeerId>(next_peer_++)] = {
        .endpoint = endpoint, .admitted = !link_listener_.admits(), .came = Clock::now()};
  }
}

/// Numbers are given in the order in which peers come.
std::optional<PeerId> UcxLink::longest_not_admitted() const {
  for (const auto& [id, peer] : peers_) {
    if (!peer.admitted) return id;
  }
  return std::nullopt;
}

void UcxLink::turn_away(PeerId peer, std::string_view why) {
  drop(peer);
  link_listener_.on_lost(peer, why);
}

void UcxLink::turn_late_away() {
  const auto latest = Clock::now() - kAdmissionMax;
  while (const auto other = longest_not_admitted()) {
    if (peers_.at(*other).came > latest) return;
    turn_away(*other, "it has shown no token");
  }
}

void UcxLink::admit(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found != peers_.end()) found->second.admitted = true;
}

void UcxLink::on_endpoint_error(void* self, ucp_ep_h endpoint, ucs_status_t status) noexcept {
  auto& link = *static_cast<UcxLink*>(self);
  for (const auto& [id, peer] : link.peers_) {
    if (peer.endpoint == endpoint) {
      link.fail_peer(id, reason_of(status));
      return;
    }
  }
}

void UcxLink::fail_peer(PeerId peer, std::string why) noexcept {
  losses_.emplace_back(peer, std::move(why));
  ++happened_;
}

void UcxLink::deliver_losses() {
  while (!losses_.empty()) {
    const auto [peer, why] = std::move(losses_.front());
    losses_.pop_front();
    if (!peers_.contains(peer)) continue;
    drop(peer);
    link_listener_.on_lost(peer, why);
  }
}

void UcxLink::drop(PeerId peer) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  const auto endpoint = found->second.endpoint;
  peers_.erase(found);
  close_endpoint(endpoint);
}

void UcxLink::close_endpoint(ucp_ep_h endpoint) noexcept {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  const auto status = ucp_ep_close_nbx(endpoint, &param);
  if (!UCS_PTR_IS_PTR(status)) return;
  const auto deadline = Clock::now() + std::chrono::milliseconds(300);
  while (ucp_request_check_status(status) == UCS_INPROGRESS && Clock::now() < deadline) {
    ucp_worker_progress(worker_.get());
  }
  ucp_request_free(status);
}

}  // namespace cardswap::ucx
