#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <memory>

#include "agent/api/connections.h"
#include "agent/api/request_rules.h"
#include "agent/api/router.h"
#include "agent/base/handover_gate.h"
#include "agent/base/task_group.h"
#include "agent/security/api_security.h"

namespace cardswap {

/// Serves the API as HTTP/1.1 with JSON on a unix socket and on TCP. TCP is inside TLS if
/// `security` has a TLS context.
///
/// Until the certificate, the token or the kernel says who a caller is, it gets refusals only,
/// except on the paths that probes ask (is_open_to_anybody()). Requests that no client of the API
/// sends are refused too (api/request_rules.h). All connections are bounded: 10 s for the TLS
/// handshake, 16 KiB of headers within 10 s, a body of 1 MiB within 20 s more (some calls take a
/// larger one: RouteLimits), 30 s to read an answer, 512 connections on TCP and 128 on the unix
/// socket (api/connections.h says which one is dropped when it is full). A process that may have
/// fewer than 1024 descriptors gets fewer connections, because the agent needs descriptors itself.
///
/// While a job is frozen for its handover and more than 16 connections are open, new TCP
/// connections wait up to 100 ms and calls that are not between agents up to 1 s. Each connection
/// is a task of `tasks`. One thread, that of `context`. All references outlive the server.
class ApiServer {
 public:
  /// `port` is from open_tcp_port(); one that is not open: TCP is not served.
  ApiServer(asio::io_context& context, TaskGroup& tasks, const Router& router,
            HandoverGate& handover_gate, ApiSecurity security, asio::ip::tcp::acceptor port);
  ~ApiServer();

  /// Replaces a socket that is there. Throws Error{refused} if another kind of file is there, or if
  /// others may write to a folder of `path`; Error{io} if it cannot listen at `path` or may not
  /// give the socket to the group.
  void listen_unix(const std::filesystem::path& path);
  /// Accepts callers on the TCP port, if there is one. Call it once.
  void accept_tcp();
  /// Stops listening and removes the socket file. Open connections go on: their tasks end with
  /// `tasks`.
  void close();
  /// Uses `security` from the next request on, for connections that are open, too.
  void renew(ApiSecurity security) { security_ = std::move(security); }
  /// When the certificates and CRLs expire that the present security was made of.
  [[nodiscard]] const std::vector<tls::Expiry>& expiries() const { return security_.expiries; }
  /// Whether it listens on the unix socket and, if there is one, on the TCP port.
  [[nodiscard]] bool is_open() const { return unix_.is_open() && (!has_port_ || tcp_.is_open()); }

 private:
  /// What a connection proves about its caller, before a token is looked at.
  struct Proof {
    Caller caller;
    Listener listener = Listener::unix_socket;
    /// Whether a token may be sent here: over plain TCP others could read it.
    [[nodiscard]] bool may_use_token() const { return listener != Listener::plain_tcp; }
    std::string came_to;  ///< as in Caller
    std::string came_from;
    std::optional<tls::PeerCertificate> certificate = {};
  };

  struct Call;

  asio::awaitable<void> serve_tcp(asio::ip::tcp::socket socket);
  asio::awaitable<void> serve_unix(asio::local::stream_protocol::socket socket);
  template <class Stream>
  asio::awaitable<void> serve(Stream& stream, Connections::Slot& slot, Proof proof);
  /// Reads the next request into `call`; only the header if the caller is not known.
  template <class Stream, class Buffer>
  asio::awaitable<void> read(Stream& stream, Buffer& buffer, Call& call, Proof& proof);
  /// Decides from the header who the caller is, and whether the request is refused.
  void admit(Call& call, Proof& proof) const;
  asio::awaitable<ApiResponse> answer(const Call& call, Connections::Slot& slot, Listener listener);

  [[nodiscard]] bool is_crowded() const;

  TaskGroup& tasks_;
  const Router& router_;
  HandoverGate& handover_gate_;
  ApiSecurity security_;
  Connections tcp_connections_;
  Connections unix_connections_;
  asio::local::stream_protocol::acceptor unix_;
  asio::ip::tcp::acceptor tcp_;
  const bool has_port_;
  std::filesystem::path unix_path_;
};

}  // namespace cardswap
