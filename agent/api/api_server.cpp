#include "agent/api/api_server.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "agent/api/refusals.h"
#include "agent/base/accept_each.h"
#include "agent/base/address.h"
#include "agent/base/descriptor_share.h"
#include "agent/base/path_trust.h"
#include "agent/base/socket_file.h"
#include "agent/http/client.h"
#include "migrator/base/unix_address.h"

namespace cardswap {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

/// A stream over either kind of socket, so that the code that reads and writes HTTP is compiled
/// once.
using PlainStream = beast::basic_stream<asio::generic::stream_protocol>;

constexpr std::size_t kHeaderBytesMax = 16U << 10;
constexpr std::chrono::seconds kHandshakeTimeMax{10};
constexpr std::chrono::seconds kHeaderTimeMax{10};
constexpr std::chrono::seconds kBodyTimeMax{20};
constexpr std::chrono::seconds kAnswerTimeMax{30};
constexpr std::chrono::milliseconds kRefusalReadMax{500};
constexpr std::size_t kRefusalBytesMax = 16U << 20;
/// With at most this many connections no handover is delayed.
constexpr std::size_t kCrowd = 16;
/// A connection that is made while a job is frozen may be the other agent's.
constexpr std::chrono::milliseconds kNewcomerWaitMax{100};
constexpr std::chrono::milliseconds kCallWaitMax{1000};

/// Whether the client did not speak TLS. OpenSSL knows some methods of HTTP by name; in the others
/// it reads a version that does not exist.
bool was_no_tls(const boost::system::error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  const auto reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST ||
         reason == SSL_R_WRONG_VERSION_NUMBER;
}

/// Root, the agent's own user, and callers that cannot be distinguished from them have no limit of
/// their own.
Connections::CallerQuota by(const Caller& caller, bool among_agents) {
  const bool owns = caller.owner || (caller.also_agent && caller.uid);
  Connections::CallerQuota by{.is_agent = caller.role == ApiRole::agent,
                              .among_agents = among_agents,
                              .has_room = owns || !caller.is_known()};
  if (!caller.is_known()) {
    by.caller = "a probe";
  } else if (!caller.owner && !caller.also_agent) {
    by.caller = fmt::format("{} {}", to_string(*caller.role), caller.name);
  }
  return by;
}

bhttp::response<bhttp::string_body> response_of(ApiResponse answer, bool keep_alive) {
  bhttp::response<bhttp::string_body> response(static_cast<bhttp::status>(answer.status), 11);
  const bool as_text = !answer.content_type.empty();
  response.set(bhttp::field::content_type, as_text ? answer.content_type : "application/json");
  response.keep_alive(keep_alive);
  response.body() = as_text ? std::move(answer.text) : boost::json::serialize(answer.body) + "\n";
  response.prepare_payload();
  return response;
}

/// Lets the other side read why it is refused: closing a socket with unread bytes discards what was
/// written last.
asio::awaitable<void> linger_close(PlainStream& stream) {
  boost::system::error_code error;
  stream.socket().shutdown(asio::socket_base::shutdown_send, error);
  std::array<char, 16384> ignored{};
  stream.expires_after(kRefusalReadMax);
  for (std::size_t got = 0; got < kRefusalBytesMax && !error;) {
    got += co_await stream.async_read_some(asio::buffer(ignored),
                                           asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace

ApiServer::ApiServer(asio::io_context& context, TaskGroup& tasks, const Router& router,
                     HandoverGate& handover_gate, ApiSecurity security,
                     asio::ip::tcp::acceptor port)
    : tasks_(tasks),
      router_(router),
      handover_gate_(handover_gate),
      security_(std::move(security)),
      tcp_connections_({.connections = share_of_descriptors(2, 512), .calls = 256}),
      unix_connections_({.connections = share_of_descriptors(8, 128), .calls = 96}),
      unix_(context),
      tcp_(std::move(port)),
      has_port_(tcp_.is_open()) {}

ApiServer::~ApiServer() { close(); }

void ApiServer::close() {
  boost::system::error_code ignored;
  unix_.close(ignored);
  tcp_.close(ignored);
  if (!unix_path_.empty()) {
    std::error_code gone;
    std::filesystem::remove(unix_path_, gone);
    unix_path_.clear();
  }
}

void ApiServer::listen_unix(const std::filesystem::path& path) {
  if (path.string().size() > kSocketPathBytesMax) {
    throw Error(
        Code::io,
        fmt::format("the socket path {} has over {} bytes", path.string(), kSocketPathBytesMax),
        "choose a shorter --data-dir or --socket");
  }
  try {
    // The data folder's lock says that no other agent of this folder lives.
    remove_old_socket(path, "choose another --socket");
    unix_.open();
    // Restricted before anybody can connect; caller_at() asks the kernel for each caller again.
    ::fchmod(unix_.native_handle(), 0600);
    unix_.bind(asio::local::stream_protocol::endpoint(path.string()));
    if (const auto other = untrusted_part_of(path); !other.empty()) {
      throw Error(Code::refused,
                  fmt::format("the socket {} is not this user's alone: {}", path.string(), other),
                  "choose a --socket in a folder that only this user and root may write");
    }
    if (security_.group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *security_.group) != 0) {
      throw Error(
          Code::io,
          fmt::format("{}: this user may not give the socket to --api-group", path.string()),
          "start the agent as root or as a member of that group");
    }
    ::chmod(path.c_str(), security_.group ? 0660 : 0600);
    unix_.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io, fmt::format("listen on {}: {}", path.string(), error.code().message()),
                "check the folder and its rights");
  }
  unix_path_ = path;
  tasks_.spawn("accept on the unix socket", accept_each(unix_, [this](auto socket) {
                 tasks_.spawn("an API connection", serve_unix(std::move(socket)));
               }));
}

void ApiServer::accept_tcp() {
  if (!has_port_) return;
  tasks_.spawn("accept on tcp", accept_each(tcp_, [this](auto socket) {
                 tasks_.spawn("an API connection", serve_tcp(std::move(socket)));
               }));
}

bool ApiServer::is_crowded() const {
  return tcp_connections_.count() + unix_connections_.count() > kCrowd;
}

asio::awaitable<void> ApiServer::serve_unix(asio::local::stream_protocol::socket socket) {
  PlainStream stream(std::move(socket));
  // Named: GCC 12 destroys an aggregate that is made in the co_await's own expression twice.
  Proof proof{
      caller_at(stream.socket().native_handle(), security_.group), Listener::unix_socket, {}, {}};
  const auto slot = unix_connections_.enter(proof.caller.name, [&stream] { stream.close(); });
  if (!slot) co_return;
  co_await serve(stream, *slot, std::move(proof));
}

asio::awaitable<void> ApiServer::serve_tcp(asio::ip::tcp::socket socket) {
  boost::system::error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) co_return;  // gone already
  const auto from = canonical_host(remote.address().to_string());
  const auto here = socket.local_endpoint(error);
  const auto to = error ? std::string() : canonical_host(here.address().to_string());
  PlainStream stream(std::move(socket));
  if (!security_.tls) {
    const auto slot = tcp_connections_.enter(from, [&stream] { stream.close(); });
    if (!slot) co_return;
    Proof proof{caller_over_plain_tcp(security_, here, remote), Listener::plain_tcp, to, from};
    if (is_crowded()) co_await handover_gate_.wait(kNewcomerWaitMax);
    co_await serve(stream, *slot, std::move(proof));
    co_return;
  }
  const auto context = security_.tls;  // which may be renewed meanwhile
  asio::ssl::stream<PlainStream> secure(std::move(stream), *context);
  const auto slot = tcp_connections_.enter(from, [&secure] { secure.next_layer().close(); });
  if (!slot) co_return;
  if (is_crowded()) co_await handover_gate_.wait(kNewcomerWaitMax);
  secure.next_layer().expires_after(kHandshakeTimeMax);
  co_await secure.async_handshake(asio::ssl::stream_base::server,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    spdlog::debug("{} was refused: {}", from,
                  tls::failure_of(secure.native_handle(), error.message()));
    if (was_no_tls(error)) {
      const auto refusal = response_of(
          answer_of(Error(Code::unauthorized, "this agent speaks TLS only, and that was plain HTTP",
                          "give --tls-ca, --tls-cert and --tls-key; docs/security.md")),
          false);
      boost::system::error_code ignored;
      co_await bhttp::async_write(secure.next_layer(), refusal,
                                  asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_await linger_close(secure.next_layer());
    co_return;
  }
  Proof proof{tls::peer_of(secure.native_handle()), Listener::tls, to, from,
              tls::PeerCertificate(secure.native_handle(), context)};
  co_await serve(secure, *slot, std::move(proof));
}

/// A request as far as it was read, and who sent it.
struct ApiServer::Call {
  bhttp::request_parser<bhttp::string_body> parser;
  Caller caller;
  bool token_ok = true;
  bool is_answered = false;            ///< its caller gets more than a refusal
  std::optional<ApiResponse> refusal;  ///< the refusal, whoever it is
  boost::system::error_code error;     ///< of reading it

  [[nodiscard]] std::string_view method() const {
    return std::string_view(parser.get().method_string());
  }
  [[nodiscard]] std::string_view target() const {
    const auto target = parser.get().target();
    return {target.data(), target.size()};
  }
  /// Whether its connection may be used for another request.
  [[nodiscard]] bool is_reusable() const { return !error && !refusal && caller.is_known(); }
};

void ApiServer::admit(Call& call, Proof& proof) const {
  const auto& head = call.parser.get();
  call.refusal = refusal_of(head, proof.listener, security_.names);
  if (!call.refusal && proof.certificate) {
    call.refusal = ended_meanwhile(call.caller.name, proof.certificate->fault(security_.tls));
  }
  if (call.refusal) return;
  if (const auto token = head.find(bhttp::field::authorization); token != head.end()) {
    call.token_ok = proof.may_use_token();
    call.caller = call.token_ok ? security_.tokens.caller_of(token->value())
                                : Caller{.name = "nobody", .role = {}, .owner = false};
  }
  call.caller.came_to = proof.came_to;
  call.caller.came_from = proof.came_from;
  call.is_answered =
      call.caller.is_known() || (call.token_ok && is_open_to_anybody(call.method(), call.target()));
}

template <class Stream, class Buffer>
asio::awaitable<void> ApiServer::read(Stream& stream, Buffer& buffer, Call& call, Proof& proof) {
  auto& line = beast::get_lowest_layer(stream);
  auto& parser = call.parser;
  parser.body_limit(boost::none);  // it is the call's, which the header names
  parser.header_limit(kHeaderBytesMax);
  line.expires_after(kHeaderTimeMax);
  co_await bhttp::async_read_header(stream, buffer, parser,
                                    asio::redirect_error(asio::use_awaitable, call.error));
  if (call.error) co_return;
  admit(call, proof);
  if (call.refusal) co_return;
  const auto body_max = router_.body_bytes_max(call.method(), call.target());
  if (call.is_answered && parser.content_length().value_or(0) > body_max) {
    call.error = bhttp::error::body_limit;
  } else if (call.caller.is_known()) {  // nobody's body is not worth reading
    parser.body_limit(body_max);
    line.expires_after(kBodyTimeMax);
    co_await bhttp::async_read(stream, buffer, parser,
                               asio::redirect_error(asio::use_awaitable, call.error));
  }
}

asio::awaitable<ApiResponse> ApiServer::answer(const Call& call, Connections::Slot& slot,
                                               Listener listener) {
  if (call.refusal) co_return *call.refusal;
  if (call.error == bhttp::error::body_limit && call.is_answered) {
    co_return router_.too_large(call.method(), call.target(), call.caller);
  }
  if (call.error) co_return no_request(call.error.message());
  if (!call.is_answered) co_return unauthenticated(call.caller, call.token_ok, listener);
  const auto& request = call.parser.get();
  const bool of_agent = call.caller.may(ApiRole::agent) && call.target().starts_with("/v1/peer/");
  const auto protocol = request.find(http::kProtocolHeader);
  if (protocol != request.end() && protocol->value() != http::kPeerProtocol) {
    co_return protocol_mismatch(std::string(protocol->value()));
  }
  const auto room = slot.begin_call(by(call.caller, of_agent));
  if (room != Connections::Room::given) co_return too_busy(room, call.caller);
  if (!of_agent && is_crowded()) co_await handover_gate_.wait(kCallWaitMax);
  auto answer = co_await router_.handle(std::string(call.method()), std::string(call.target()),
                                        request.body(), call.caller);
  co_return answer;
}

template <class Stream>
asio::awaitable<void> ApiServer::serve(Stream& stream, Connections::Slot& slot, Proof proof) {
  beast::flat_buffer buffer;
  auto& line = beast::get_lowest_layer(stream);
  while (true) {
    Call call;
    call.caller = proof.caller;
    slot.start_waiting();
    co_await read(stream, buffer, call, proof);
    const auto& http = bhttp::make_error_code(bhttp::error::bad_version).category();
    if (call.error && call.error.category() != http) co_return;  // the connection, not the request
    if (call.error == bhttp::error::end_of_stream) co_return;
    line.expires_never();
    auto reply = co_await answer(call, slot, proof.listener);
    const bool keep_alive =
        call.is_reusable() && reply.status != 503 && call.parser.get().keep_alive();
    const auto response = response_of(std::move(reply), keep_alive);
    line.expires_after(kAnswerTimeMax);
    boost::system::error_code error;
    co_await bhttp::async_write(stream, response, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    if (!call.is_reusable()) {
      co_await linger_close(line);
      co_return;
    }
    if (!response.keep_alive()) co_return;
  }
}

}  // namespace cardswap
