// Order and threads. All code runs on the engine's thread, inside its calls; only wake() comes from
// other threads, through an eventfd. UCX calls back from within ucp_worker_progress(), and from
// within a send or receive that completes at once. No callback calls the engine: it puts an
// Incoming, a loss or a connection into a queue. wait() progresses the worker until a callback has
// run. Only then it accepts connections, delivers arrivals in their order, and after them losses,
// so that the engine gets a peer's last messages before its on_lost(). An announced payload
// (rendezvous) becomes two arrivals: its announcement, for which the engine gives a place, and its
// landing there. An event may call wait() again, because an arrival leaves the queue before it is
// delivered.
#include "migrator/link/ucx/link.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "migrator/device/device.h"
#include "migrator/link/ucx/endpoints.h"
#include "migrator/link/ucx/start.h"

namespace cardswap::ucx {
namespace {

constexpr unsigned kControlId = 1;
constexpr unsigned kPayloadId = 2;
constexpr std::size_t kHeaderBytesMax = 64;
/// Below this an eager message costs less than a rendezvous' round trip.
constexpr std::size_t kRendezvousBytesMin = 16U << 10;
/// How long wait() polls while payloads are in flight: as long as a fast link needs for a chunk,
/// which is also what a sleep and a wake-up cost. On a slow link it is a small part of each wait.
constexpr std::chrono::microseconds kSpin{200};

using Clock = std::chrono::steady_clock;

}  // namespace

UcxLink::UcxLink(const std::string& transports, const std::string& host,
                 LinkListener& link_listener, const std::string& allowed_addresses)
    : link_listener_(link_listener),
      peer_filter_(allowed_addresses),
      context_(make_context(
          {.transports = transports, .host = host, .allowed_addresses = allowed_addresses})),
      worker_(make_worker(context_.get())) {
  set_handler(kControlId, &UcxLink::on_control_am);
  set_handler(kPayloadId, &UcxLink::on_payload_am);
}

UcxLink::~UcxLink() {
  while (!peers_.is_empty()) drop(peers_.first());
  for (const auto& incoming : incoming_) {
    if (incoming.announced != nullptr) ucp_am_data_release(worker_.get(), incoming.announced);
  }
  while (!waiting_.empty()) {
    if (listener_) ucp_listener_reject(listener_.get(), waiting_.front());
    waiting_.pop_front();
  }
  const auto deadline = Clock::now() + std::chrono::milliseconds(500);
  while ((!sends_.empty() || !receives_.empty()) && Clock::now() < deadline) {
    ucp_worker_progress(worker_.get());
  }
  listener_.reset();
}

void UcxLink::connect(const std::string& host, std::uint16_t port) {
  auto* const endpoint =
      connect_endpoint(worker_.get(), host, port, &UcxLink::on_endpoint_error, this);
  peers_.add(endpoint, true, Clock::now());  // the first: kServer
  peer_filter_.attach();
}

void UcxLink::listen(const std::string& host) {
  listener_ = listen_on(worker_.get(), host, &UcxLink::on_connection, this);
  peer_filter_.attach();
  port_ = port_of(listener_.get());
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
    if (peers_.is_full()) {
      if (const auto other = peers_.longest_not_admitted()) {
        turn_away(*other, "another one came");
      } else {
        ucp_listener_reject(listener_.get(), request);
        continue;
      }
    }
    auto* const endpoint =
        accept_endpoint(worker_.get(), request, &UcxLink::on_endpoint_error, this);
    if (endpoint != nullptr) peers_.add(endpoint, !link_listener_.admits(), Clock::now());
  }
}

void UcxLink::turn_away(LinkId peer, std::string_view why) {
  drop(peer);
  link_listener_.on_lost(peer, why);
}

void UcxLink::turn_late_away() {
  while (const auto late = peers_.overdue(Clock::now())) {
    turn_away(*late, "it has shown no token");
  }
}

void UcxLink::admit(LinkId peer) { peers_.admit(peer); }

void UcxLink::on_endpoint_error(void* self, ucp_ep_h endpoint, ucs_status_t status) noexcept {
  auto& link = *static_cast<UcxLink*>(self);
  if (const auto peer = link.peers_.find(endpoint)) link.fail_peer(*peer, reason_of(status));
}

void UcxLink::fail_peer(LinkId peer, std::string why) noexcept {
  peers_.note_loss(peer, std::move(why));
  ++happened_;
}

void UcxLink::deliver_losses() {
  while (const auto loss = peers_.take_loss()) turn_away(loss->peer, loss->why);
}

void UcxLink::drop(LinkId peer) {
  if (auto* const endpoint = peers_.remove(peer)) close_endpoint(worker_.get(), endpoint);
}

void UcxLink::set_handler(unsigned id, ucp_am_recv_callback_t callback) {
  ucp_am_handler_param_t param{};
  param.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                     UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  param.id = id;
  param.flags = UCP_AM_FLAG_WHOLE_MSG;
  param.cb = callback;
  param.arg = this;
  check(ucp_worker_set_am_recv_handler(worker_.get(), &param), "set a UCX handler");
}

void UcxLink::send_control(LinkId to, std::vector<std::byte> message) {
  Send prepared{this, {}, to, false, {}, std::move(message), {}};
  send(std::move(prepared), {}, kControlId);
}

void UcxLink::send_payload(LinkId to, std::vector<std::byte> header,
                           std::span<const std::byte> payload, std::shared_ptr<const void> owner) {
  Send prepared{this, {}, to, true, std::move(header), {}, std::move(owner)};
  send(std::move(prepared), payload, kPayloadId);
}

void UcxLink::send(Send&& prepared, std::span<const std::byte> payload, unsigned id) {
  auto* const endpoint = peers_.endpoint_of(prepared.peer);
  if (endpoint == nullptr) return;  // its loss was or will be reported
  const auto send = sends_.insert(sends_.end(), std::move(prepared));
  send->self = send;
  if (send->is_payload) {
    ++payloads_in_flight_;
  } else {
    payload = send->message;
  }
  ucp_request_param_t param{};
  param.op_attr_mask =
      UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  param.cb.send = &UcxLink::on_sent;
  param.user_data = &*send;
  param.flags = UCP_AM_SEND_FLAG_REPLY;
  if (payload.size() >= kRendezvousBytesMin) param.flags |= UCP_AM_SEND_FLAG_RNDV;
  const auto status = ucp_am_send_nbx(endpoint, id, send->header.data(), send->header.size(),
                                      payload.data(), payload.size(), &param);
  if (UCS_PTR_IS_PTR(status)) return;
  finish_send(send, UCS_PTR_STATUS(status));
}

void UcxLink::on_sent(void* request, ucs_status_t status, void* user) noexcept {
  auto& send = *static_cast<Send*>(user);
  send.link->finish_send(send.self, status);
  ucp_request_free(request);
}

void UcxLink::finish_send(std::list<Send>::iterator send, ucs_status_t status) noexcept {
  if (send->is_payload) --payloads_in_flight_;
  const auto peer = send->peer;
  sends_.erase(send);
  ++happened_;
  if (status != UCS_OK && status != UCS_ERR_CANCELED) {
    fail_peer(peer, fmt::format("sending: {}", reason_of(status)));
  }
}

/// A smaller payload arrives as a message, which is copied into place by the processor.
std::optional<std::size_t> UcxLink::direct_bytes_min(MemoryKind kind) const {
  if (kind == MemoryKind::host) return 0;
  ucp_context_attr_t attributes{};
  attributes.field_mask = UCP_ATTR_FIELD_MEMORY_TYPES;
  if (ucp_context_query(context_.get(), &attributes) != UCS_OK) return std::nullopt;
  if ((attributes.memory_types & UCS_BIT(UCS_MEMORY_TYPE_CUDA)) == 0) return std::nullopt;
  return kRendezvousBytesMin;
}

std::optional<LinkId> UcxLink::peer_of(const ucp_am_recv_param_t* param) const noexcept {
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) == 0) return std::nullopt;
  return peers_.find(param->reply_ep);
}

ucs_status_t UcxLink::on_control_am(void* self, const void*, std::size_t, void* data,
                                    std::size_t bytes, const ucp_am_recv_param_t* param) noexcept {
  auto& link = *static_cast<UcxLink*>(self);
  const auto peer = link.peer_of(param);
  if (!peer) return UCS_OK;
  try {
    const bool rendezvous = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0;
    return link.queue_control(*peer, data, bytes, rendezvous);
  } catch (const std::exception& error) {
    link.fail_peer(*peer, error.what());
    return UCS_OK;
  }
}

/// An announced message is checked only after all earlier messages were delivered: one of them may
/// have had the token.
ucs_status_t UcxLink::queue_control(LinkId peer, void* data, std::size_t bytes, bool rendezvous) {
  ++happened_;
  if (rendezvous) {
    incoming_.push_back({Incoming::Kind::announced_control, peer, {}, bytes, {}, data});
    return UCS_INPROGRESS;
  }
  peers_.check_control(peer, bytes);
  const auto* first = static_cast<const std::byte*>(data);
  incoming_.push_back({Incoming::Kind::control, peer, {}, 0, {first, first + bytes}, nullptr});
  return UCS_OK;
}

void UcxLink::receive_control(Incoming& incoming) {
  peers_.check_control(incoming.peer, incoming.bytes);
  const auto bytes = incoming.bytes;
  Receive made{this, {}, incoming.peer, {}, 0, std::vector<std::byte>(bytes)};
  const auto receive = receives_.insert(receives_.end(), std::move(made));
  receive->self = receive;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.cb.recv_am = &UcxLink::on_received;
  param.user_data = &*receive;
  const auto status =
      ucp_am_recv_data_nbx(worker_.get(), std::exchange(incoming.announced, nullptr),
                           receive->message.data(), bytes, &param);
  if (!UCS_PTR_IS_PTR(status)) on_received(nullptr, UCS_PTR_STATUS(status), bytes, &*receive);
}

ucs_status_t UcxLink::on_payload_am(void* self, const void* header, std::size_t header_bytes,
                                    void* data, std::size_t bytes,
                                    const ucp_am_recv_param_t* param) noexcept {
  auto& link = *static_cast<UcxLink*>(self);
  const auto peer = link.peer_of(param);
  if (!peer) return UCS_OK;
  try {
    const bool rendezvous = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0;
    return link.queue_payload(*peer, {static_cast<const std::byte*>(header), header_bytes}, data,
                              bytes, rendezvous);
  } catch (const std::exception& error) {
    link.fail_peer(*peer, error.what());
    return UCS_OK;
  }
}

/// UCX keeps a payload that comes by rendezvous at its sender until it has a place.
ucs_status_t UcxLink::queue_payload(LinkId peer, std::span<const std::byte> header, void* data,
                                    std::size_t bytes, bool rendezvous) {
  ++happened_;
  if (header.size() > kHeaderBytesMax) {
    throw Error(Code::bad_request, fmt::format("a chunk with a header of {} bytes", header.size()));
  }
  Incoming incoming{rendezvous ? Incoming::Kind::announced : Incoming::Kind::eager,
                    peer,
                    {header.begin(), header.end()},
                    bytes,
                    {},
                    rendezvous ? data : nullptr};
  const auto* first = static_cast<const std::byte*>(data);
  if (!rendezvous) incoming.content.assign(first, first + bytes);
  incoming_.push_back(std::move(incoming));
  return rendezvous ? UCS_INPROGRESS : UCS_OK;
}

void UcxLink::receive_payload(Incoming& incoming, std::span<std::byte> destination) {
  const auto receive = receives_.insert(
      receives_.end(),
      Receive{this, {}, incoming.peer, std::move(incoming.header), incoming.bytes, {}});
  receive->self = receive;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.cb.recv_am = &UcxLink::on_received;
  param.user_data = &*receive;
  const auto status =
      ucp_am_recv_data_nbx(worker_.get(), std::exchange(incoming.announced, nullptr),
                           destination.data(), incoming.bytes, &param);
  if (!UCS_PTR_IS_PTR(status)) {
    on_received(nullptr, UCS_PTR_STATUS(status), incoming.bytes, &*receive);
  }
}

void UcxLink::deliver(Incoming& incoming) {
  switch (incoming.kind) {
    case Incoming::Kind::control: link_listener_.on_control(incoming.peer, incoming.content); break;
    case Incoming::Kind::announced_control: receive_control(incoming); break;
    case Incoming::Kind::landed:
      link_listener_.on_received(incoming.peer, incoming.header, incoming.bytes);
      break;
    case Incoming::Kind::eager: {
      const auto destination =
          link_listener_.reserve(incoming.peer, incoming.header, incoming.bytes);
      std::ranges::copy(incoming.content, destination.begin());
      link_listener_.on_received(incoming.peer, incoming.header, incoming.bytes);
      break;
    }
    case Incoming::Kind::announced:
      receive_payload(incoming,
                      link_listener_.reserve(incoming.peer, incoming.header, incoming.bytes));
      break;
  }
}

/// An event may call wait() again, as a target does that waits for its program: what has begun to
/// be delivered is not in the queue any more.
void UcxLink::deliver_arrivals() {
  while (!incoming_.empty()) {
    auto incoming = std::move(incoming_.front());
    incoming_.pop_front();
    if (peers_.has(incoming.peer)) {
      try {
        deliver(incoming);
      } catch (const std::exception& error) {
        fail_peer(incoming.peer, error.what());
        deliver_losses();
      }
    }
    if (incoming.announced != nullptr) ucp_am_data_release(worker_.get(), incoming.announced);
  }
}

void UcxLink::on_received(void* request, ucs_status_t status, std::size_t, void* user) noexcept {
  auto& receive = *static_cast<Receive*>(user);
  auto& link = *receive.link;
  Receive done = std::move(receive);
  link.receives_.erase(done.self);
  if (request != nullptr) ucp_request_free(request);
  ++link.happened_;
  if (status != UCS_OK) {
    if (status != UCS_ERR_CANCELED) {
      link.fail_peer(done.peer, fmt::format("receiving: {}", reason_of(status)));
    }
    return;
  }
  const auto kind = done.header.empty() ? Incoming::Kind::control : Incoming::Kind::landed;
  try {
    link.incoming_.push_back(
        {kind, done.peer, std::move(done.header), done.bytes, std::move(done.message), nullptr});
  } catch (const std::exception& error) {
    link.fail_peer(done.peer, error.what());
  }
}

void UcxLink::wake() noexcept { wake_.notify(); }

void UcxLink::wait(Clock::time_point deadline) {
  const auto before = happened_;
  const auto spin_until = Clock::now() + kSpin;
  int efd = -1;
  check(ucp_worker_get_efd(worker_.get(), &efd), "get the UCX worker's descriptor");
  while (true) {
    while (ucp_worker_progress(worker_.get()) != 0 && happened_ == before) {
    }
    accept_waiting();
    deliver_arrivals();
    deliver_losses();
    turn_late_away();
    if (happened_ != before) return;
    const auto now = Clock::now();
    if (now >= deadline) return;
    if (now < spin_until && (payloads_in_flight_ != 0 || !receives_.empty())) continue;
    const auto armed = ucp_worker_arm(worker_.get());
    if (armed == UCS_ERR_BUSY) continue;
    check(armed, "arm the UCX worker");
    pollfd fds[] = {{efd, POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
    ::poll(fds, 2, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if ((fds[1].revents & POLLIN) != 0) {
      wake_.clear();
      return;
    }
  }
}

}  // namespace cardswap::ucx
