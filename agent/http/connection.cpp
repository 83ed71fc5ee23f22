#include "agent/http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "agent/base/resolve.h"
#include "agent/security/certificate_validity.h"
#include "agent/security/identity.h"
#include "migrator/base/unix_address.h"
#include "migrator/base/utf8.h"

namespace cardswap::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

/// A stream over TCP or a unix socket, so that the code that reads and writes HTTP is compiled
/// once.
using PlainStream = beast::basic_stream<asio::generic::stream_protocol>;
using StreamEndpoint = asio::generic::stream_protocol::endpoint;

enum class Stage { connecting, exchanging };

[[noreturn]] void raise(const Endpoint& endpoint, Stage stage, const Request& request,
                        const error_code& error) {
  if (error == beast::error::timeout) {
    throw Error(Code::timed_out,
                fmt::format("{} {} on {}: no answer within {} ms", request.method, request.target,
                            endpoint.text(), request.timeout.count()));
  }
  if (error == asio::error::operation_aborted) {
    throw Error(Code::cancelled, fmt::format("{} {} on {}: cancelled", request.method,
                                             request.target, endpoint.text()));
  }
  if (stage == Stage::connecting) {
    throw Error(
        Code::unreachable,
        fmt::format("connect to the agent at {}: {}", endpoint.text(), error.message()),
        endpoint.unix_path.empty()
            ? "is cardswapd running there and its TCP port open to this host?"
            : "is cardswapd running on this host? `cardswapd --help` tells how to start it");
  }
  if (error.category() == asio::error::get_ssl_category()) {
    throw Error(Code::unauthorized,
                fmt::format("{} {} on {}: the agent refused us: {}", request.method, request.target,
                            endpoint.text(), error.message()),
                "it wants a valid certificate of its authority; docs/security.md");
  }
  const bool malformed =
      error.category() == bhttp::make_error_code(bhttp::error::bad_version).category() &&
      error != bhttp::error::end_of_stream && error != bhttp::error::partial_message;
  throw Error(malformed ? Code::corrupt : Code::link_lost,
              fmt::format("{} {} on {}: {}", request.method, request.target, endpoint.text(),
                          error.message()),
              malformed && error != bhttp::error::body_limit
                  ? "is it a cardswapd that listens there?"
                  : "");
}

/// Without the zone, which has a meaning on this host only (RFC 9110, section 7.2 allows none).
std::string host_header(const Endpoint& endpoint) {
  if (!endpoint.unix_path.empty()) return "localhost";
  return Address{without_zone(endpoint.host), endpoint.port}.text();
}

/// A line break or a blank in one of these could begin another call, made by somebody else under
/// our certificate.
void check_is_one_call(const Endpoint& endpoint, const Request& request) {
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  const auto plain = [](char c) { return (c >= 0x20 && c != 0x7f) || c == '\t' || c < 0; };
  const bool one =
      request.target.starts_with('/') && std::ranges::all_of(request.target, visible) &&
      std::ranges::all_of(request.method, visible) && std::ranges::all_of(endpoint.host, visible) &&
      std::ranges::all_of(request.headers, [&](const auto& header) {
        return std::ranges::all_of(header.first, visible) &&
               std::ranges::all_of(header.second, plain);
      });
  if (one) return;
  throw Error(Code::bad_request,
              fmt::format("a call to the agent at {} holds blanks or control characters where "
                          "there must be none",
                          as_utf8(endpoint.text())));
}

bhttp::request<bhttp::string_body> message_of(const Endpoint& endpoint, const Request& request,
                                              bool keep) {
  check_is_one_call(endpoint, request);
  bhttp::request<bhttp::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(bhttp::field::host, host_header(endpoint));
  message.keep_alive(keep);
  for (const auto& [name, value] : request.headers) message.set(name, value);
  if (!request.body.is_null()) {
    message.set(bhttp::field::content_type, "application/json");
    message.body() = json::serialize(request.body);
  }
  message.prepare_payload();
  return message;
}

json::value parsed(const Endpoint& endpoint, const Request& request, const std::string& body) {
  if (body.empty()) return nullptr;
  error_code error;
  auto value = json::parse(body, error);
  if (error) {
    throw Error(Code::corrupt,
                fmt::format("{} {} on {}: the answer is not JSON: {}", request.method,
                            request.target, endpoint.text(), error.message()),
                "is it a cardswapd that listens there?");
  }
  return value;
}

/// The exchange inside TLS and without it; `stream` is connected and its expiry is set.
template <class Stream>
asio::awaitable<Response> exchange_over(Stream& stream, const Endpoint& endpoint,
                                        const Request& request, bool& keep) {
  error_code error;
  const auto message = message_of(endpoint, request, keep);
  keep = false;
  co_await bhttp::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::exchanging, request, error);

  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(request.answer_bytes_max);
  co_await bhttp::async_read(stream, buffer, parser,
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::exchanging, request, error);
  keep = parser.get().keep_alive() && buffer.size() == 0;
  co_return Response{parser.get().result_int(), parsed(endpoint, request, parser.get().body())};
}

void show_token(const std::string& bearer, Request& request) {
  if (!bearer.empty()) request.headers.emplace_back("Authorization", "Bearer " + bearer);
}

asio::awaitable<std::vector<StreamEndpoint>> addresses_of(const Endpoint& endpoint,
                                                          const Request& request,
                                                          Clock::time_point deadline) {
  Resolved found;
  try {
    found = co_await resolve(endpoint.host, endpoint.port, deadline);
  } catch (const boost::system::system_error& cancelled) {
    raise(endpoint, Stage::connecting, request, cancelled.code());
  }
  const auto& error = found.error;
  if (error == asio::error::timed_out) {
    raise(endpoint, Stage::connecting, request, beast::error::timeout);
  }
  if (error) {
    throw Error(Code::unreachable,
                fmt::format("connect to the agent at {}: the name {} has no address here: {}",
                            endpoint.text(), endpoint.host, error.message()),
                "write its address, HOST[:PORT]; a host's own name, as `cardswap jobs` prints it, "
                "is known to an agent that has it as a --peer");
  }
  co_return std::vector<StreamEndpoint>(found.endpoints.begin(), found.endpoints.end());
}

class PlainConnection final : public Connection {
 public:
  PlainConnection(PlainStream stream, Endpoint endpoint)
      : stream_(std::move(stream)), endpoint_(std::move(endpoint)) {}

  asio::awaitable<Response> exchange(Request request, Deadline deadline, bool keep) override {
    stream_.expires_at(deadline);
    is_reusable_ = keep;
    co_return co_await exchange_over(stream_, endpoint_, request, is_reusable_);
  }

 private:
  PlainStream stream_;
  const Endpoint endpoint_;
};

class SecureConnection final : public Connection {
 public:
  SecureConnection(PlainStream stream, tls::Context context, std::string bearer, Endpoint endpoint)
      : context_(std::move(context)),
        stream_(std::move(stream), *context_),
        bearer_(std::move(bearer)),
        endpoint_(std::move(endpoint)) {}

  /// Afterwards the other side has proved that it is an agent with a certificate for the name that
  /// was called.
  asio::awaitable<void> handshake(Request request) {
    tls::expect_host(stream_.native_handle(), endpoint_.host);
    error_code error;
    co_await stream_.async_handshake(asio::ssl::stream_base::client,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error == beast::error::timeout || error == asio::error::operation_aborted) {
      raise(endpoint_, Stage::connecting, request, error);
    }
    if (error) {
      throw Error(
          Code::unauthorized,
          fmt::format("TLS with the agent at {}: {}", endpoint_.text(),
                      tls::failure_of(stream_.native_handle(), error.message())),
          "its certificate must be of our authority, valid now and for that name or address");
    }
    const auto peer = tls::peer_of(stream_.native_handle());
    if (peer.role != ApiRole::agent) {
      throw Error(Code::unauthorized,
                  fmt::format("TLS with the agent at {}: the certificate of {} "
                              "is not an agent's",
                              endpoint_.text(), as_utf8(peer.name)),
                  "issue it with `cardswap pki issue --role agent`");
    }
    if (!request.only_of.empty() && peer.name != request.only_of) {
      throw Error(Code::unauthorized,
                  fmt::format("TLS with the agent at {}: it is {}, and only {} is asked that",
                              endpoint_.text(), as_utf8(peer.name), as_utf8(request.only_of)),
                  "an agent's certificate keeps its name when it is renewed");
    }
  }

  asio::awaitable<Response> exchange(Request request, Deadline deadline, bool keep) override {
    stream_.next_layer().expires_at(deadline);
    is_reusable_ = keep;
    show_token(bearer_, request);
    co_return co_await exchange_over(stream_, endpoint_, request, is_reusable_);
  }

  /// After the certificates or revocations were read again, the next call needs a new connection.
  [[nodiscard]] bool is_still_proven() const override {
    auto& context = asio::query(executor_, asio::execution::context);
    const auto* identity = tls::Identity::of(context);
    return identity != nullptr && identity->tls() == context_ &&
           tls::is_peer_still_valid(stream_.native_handle());
  }

 private:
  const tls::Context context_;  // the stream refers to it
  mutable asio::ssl::stream<PlainStream> stream_;
  asio::any_io_executor executor_ = stream_.get_executor();
  const std::string bearer_;
  const Endpoint endpoint_;
};

}  // namespace

asio::awaitable<std::unique_ptr<Connection>> Connection::open(Endpoint endpoint, Request request,
                                                              Deadline deadline) {
  const auto executor = co_await asio::this_coro::executor;
  error_code error;
  PlainStream stream(executor);
  stream.expires_at(deadline);
  const auto endpoints = co_await addresses_of(endpoint, request, deadline);
  co_await stream.async_connect(endpoints, asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::connecting, request, error);
  stream.socket().set_option(asio::ip::tcp::no_delay(true), error);
  // A call that was given up must not arrive later: over a link that is down, its bytes would wait
  // in the kernel, and a grant could arrive after the operator has forced the job to another host.
  stream.socket().set_option(asio::socket_base::linger(true, 0), error);
  const auto* identity = tls::Identity::of(asio::query(executor, asio::execution::context));
  if (identity == nullptr || !identity->tls()) {
    co_return std::make_unique<PlainConnection>(std::move(stream), std::move(endpoint));
  }
  auto connection = std::make_unique<SecureConnection>(std::move(stream), identity->tls(),
                                                       identity->bearer(), std::move(endpoint));
  co_await connection->handshake(std::move(request));
  co_return std::unique_ptr<Connection>(std::move(connection));
}

asio::awaitable<Response> over_unix(Endpoint endpoint, Request request) {
  const auto executor = co_await asio::this_coro::executor;
  if (const auto* identity = tls::Identity::of(asio::query(executor, asio::execution::context))) {
    show_token(identity->bearer(), request);
  }
  if (endpoint.unix_path.size() > kSocketPathBytesMax) {
    throw Error(Code::bad_request,
                fmt::format("the socket path {} is longer than {} bytes", endpoint.unix_path,
                            kSocketPathBytesMax),
                "use a shorter data folder");
  }
  error_code error;
  PlainStream stream(executor);
  stream.expires_after(request.timeout);
  const std::vector<StreamEndpoint> endpoints{
      asio::local::stream_protocol::endpoint(endpoint.unix_path)};
  co_await stream.async_connect(endpoints, asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::connecting, request, error);
  bool keep = false;
  co_return co_await exchange_over(stream, endpoint, request, keep);
}

}  // namespace cardswap::http
