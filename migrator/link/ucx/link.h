#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/base/event_fd.h"
#include "migrator/link/link.h"
#include "migrator/link/ucx/handles.h"
#include "migrator/link/ucx/link_table.h"
#include "migrator/link/ucx/peer_filter.h"

namespace cardswap::ucx {

/// A Link over one UCP worker: active messages, and payloads by rendezvous into their place.
///
/// C callbacks never throw. They queue what happened, in order, and wait() delivers it after UCX
/// has returned, so that a listener may take its time. Members die in reverse order: requests last,
/// because UCX may complete them until the worker is gone.
class UcxLink final : public Link {
 public:
  /// `host`: the address on which it will listen or to which it will connect. `transports`,
  /// `allowed_addresses`: as in LinkOptions. Throws Error{link_lost, io}. One call of connect() or
  /// listen() follows.
  UcxLink(const std::string& transports, const std::string& host, LinkListener& link_listener,
          const std::string& allowed_addresses);
  /// Closes the connections: up to 300 ms for each, then up to 500 ms for what is in flight.
  ~UcxLink() override;

  /// Throws Error{bad_request, refused, unreachable}.
  void connect(const std::string& host, std::uint16_t port);
  /// Throws Error{bad_request, refused, io, link_lost}.
  void listen(const std::string& host);

  void send_control(LinkId to, std::vector<std::byte> message) override;
  void send_payload(LinkId to, std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const override;
  [[nodiscard]] std::size_t payloads_in_flight() const override { return payloads_in_flight_; }
  [[nodiscard]] std::size_t control_in_flight() const override {
    return sends_.size() - payloads_in_flight_;
  }
  void drop(LinkId peer) override;
  void admit(LinkId peer) override;
  void wait(std::chrono::steady_clock::time_point deadline) override;
  void wake() noexcept override;
  [[nodiscard]] std::uint16_t port() const override { return port_; }

 private:
  /// A message or payload that UCX has not sent yet.
  struct Send {
    UcxLink* link;
    std::list<Send>::iterator self;
    LinkId peer;
    bool is_payload;
    std::vector<std::byte> header;
    std::vector<std::byte> message;
    std::shared_ptr<const void> owner;  // of the payload's memory
  };
  /// A message or payload that UCX has not received yet.
  struct Receive {
    UcxLink* link;
    std::list<Receive>::iterator self;
    LinkId peer;
    std::vector<std::byte> header;   // of a payload
    std::size_t bytes;               // of a payload
    std::vector<std::byte> message;  // a control message that comes by rendezvous
  };
  /// An arrival that wait() has not delivered yet.
  struct Incoming {
    /// What arrived.
    enum class Kind : std::uint8_t { control, announced_control, announced, eager, landed };
    Kind kind{};
    LinkId peer{};
    std::vector<std::byte> header;   // of a payload
    std::size_t bytes = 0;           // of a payload, or of an announced control message
    std::vector<std::byte> content;  // a control message, or an eager payload
    void* announced = nullptr;       // UCX's descriptor of a rendezvous
  };

  // UCX calls these from C. They queue what arrived, and wait() delivers it. If there is no memory
  // to queue a message or a payload, its peer is lost: it could not be told from one that was never
  // sent. If there is none to queue a connection or a loss, the process ends.
  static ucs_status_t on_control_am(void* self, const void* header, std::size_t header_bytes,
                                    void* data, std::size_t bytes,
                                    const ucp_am_recv_param_t* param) noexcept;
  static ucs_status_t on_payload_am(void* self, const void* header, std::size_t header_bytes,
                                    void* data, std::size_t bytes,
                                    const ucp_am_recv_param_t* param) noexcept;
  static void on_sent(void* request, ucs_status_t status, void* send) noexcept;
  static void on_received(void* request, ucs_status_t status, std::size_t bytes,
                          void* receive) noexcept;
  static void on_endpoint_error(void* self, ucp_ep_h endpoint, ucs_status_t status) noexcept;
  static void on_connection(ucp_conn_request_h request, void* self) noexcept;

  void set_handler(unsigned id, ucp_am_recv_callback_t callback);
  void send(Send&& prepared, std::span<const std::byte> payload, unsigned id);
  void finish_send(std::list<Send>::iterator send, ucs_status_t status) noexcept;
  [[nodiscard]] std::optional<LinkId> peer_of(const ucp_am_recv_param_t* param) const noexcept;
  ucs_status_t queue_control(LinkId peer, void* data, std::size_t bytes, bool rendezvous);
  void receive_control(Incoming& incoming);
  ucs_status_t queue_payload(LinkId peer, std::span<const std::byte> header, void* data,
                             std::size_t bytes, bool rendezvous);
  void receive_payload(Incoming& incoming, std::span<std::byte> destination);
  void deliver(Incoming& incoming);
  void deliver_arrivals();
  void accept_waiting();
  void turn_away(LinkId peer, std::string_view why);
  void turn_late_away();
  void fail_peer(LinkId peer, std::string why) noexcept;
  void deliver_losses();

  LinkListener& link_listener_;
  EventFd wake_;
  std::uint16_t port_ = 0;
  std::size_t payloads_in_flight_ = 0;
  std::uint64_t happened_ = 0;
  std::list<Send> sends_;
  std::list<Receive> receives_;
  LinkTable peers_;  // drop() or the destructor closes their endpoints
  std::deque<Incoming> incoming_;
  std::deque<ucp_conn_request_h> waiting_;
  PeerFilter peer_filter_;
  Context context_;
  Worker worker_;
  Listener listener_;
};

}  // namespace cardswap::ucx
