#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <memory>

#include "agent/api/connections.h"
#include "agent/api/handover_gate.h"
#include "agent/api/request_rules.h"
#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/security/api_security.h"

namespace cardswap {

/// Serves HTTP/1.1 with JSON on a unix socket and on TCP. TCP is inside TLS where `security` has
/// it.
///
/// A caller gets nothing but a refusal until its certificate, its token or the kernel says who it
/// is. A request that no client of the API sends is refused as well (api/request_rules.h). The
/// server is bounded: headers to 16 KiB within 10 s, bodies to 1 MiB within 20 s more, connections
/// to 512 on TCP and 128 on the unix socket (api/connections.h says who makes room). It allows
/// fewer connections where this process may have less than 1024 descriptors, because the agent
/// needs some itself. Connections are tasks of `tasks`. Where many call at once, they wait while a
/// job stands still for its handover.
class ApiServer {
 public:
  ApiServer(asio::io_context& context, TaskGroup& tasks, const Router& router,
            HandoverGate& handover_gate, ApiSecurity security);
  ~ApiServer();

  /// Throws Error{io}: in use, not ours, or no such address.
  void listen_unix(const std::filesystem::path& path);
  void listen_tcp(const std::string& host, std::uint16_t port);
  [[nodiscard]] std::uint16_t tcp_port() const;
  void close();
  /// Asks `security` of its callers from the next request on, over connections that are open too.
  void renew(ApiSecurity security) { security_ = std::move(security); }
  [[nodiscard]] const std::vector<tls::Ending>& endings() const { return security_.endings; }
  /// Whether it listens as it is to: on the unix socket, and on the TCP port if one was asked for.
  [[nodiscard]] bool is_open() const { return unix_.is_open() && (!has_port_ || tcp_.is_open()); }

 private:
  /// What a request's connection says about its caller.
  struct Proof {
    Caller caller;
    Listener listener = Listener::unix_socket;
    /// Whether a token may come this way: nobody else can read what goes over it.
    [[nodiscard]] bool may_use_token() const { return listener != Listener::plain_tcp; }
    std::string came_to;  ///< as in Caller
    std::string came_from;
    std::optional<tls::PeerCertificate> certificate = {};
  };

  struct Call;

  template <class Acceptor, class Serve>
  asio::awaitable<void> accept(Acceptor& acceptor, Serve serve);
  asio::awaitable<void> serve_tcp(asio::ip::tcp::socket socket);
  asio::awaitable<void> serve_unix(asio::local::stream_protocol::socket socket);
  template <class Stream>
  asio::awaitable<void> serve(Stream& stream, Connections::Slot& slot, Proof proof);
  /// The next request, into `call`; of nobody's only the header.
  template <class Stream, class Buffer>
  asio::awaitable<void> read(Stream& stream, Buffer& buffer, Call& call, Proof& proof);
  /// Says whose the call is, once its header is there.
  void admit(Call& call, Proof& proof) const;
  asio::awaitable<ApiAnswer> answer(const Call& call, Connections::Slot& slot, Listener listener);

  [[nodiscard]] bool is_crowded() const;

  TaskGroup& tasks_;
  const Router& router_;
  HandoverGate& handover_gate_;
  ApiSecurity security_;
  Connections tcp_connections_;
  Connections unix_connections_;
  asio::local::stream_protocol::acceptor unix_;
  asio::ip::tcp::acceptor tcp_;
  bool has_port_ = false;
  std::filesystem::path unix_path_;
};

}  // namespace cardswap
