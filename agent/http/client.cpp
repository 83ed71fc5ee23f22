#include "agent/http/client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <cctype>

#include "agent/tls/identity.h"
#include "agent/utf8.h"

namespace cardswap::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using namespace asio::experimental::awaitable_operators;  // NOLINT: || of two awaitables

using TcpStream = beast::tcp_stream;
using UnixStream = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;

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
              malformed ? "is it a cardswapd that listens there?" : "");
}

bhttp::request<bhttp::string_body> message_of(const Endpoint& endpoint, const Request& request) {
  bhttp::request<bhttp::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(bhttp::field::host, endpoint.unix_path.empty() ? endpoint.text() : "localhost");
  message.set(bhttp::field::connection, "close");
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

/// The part that TCP and unix sockets share; `stream` is connected and its expiry is set.
template <class Stream>
asio::awaitable<Answer> converse(Stream& stream, const Endpoint& endpoint, const Request& request) {
  error_code error;
  const auto message = message_of(endpoint, request);
  co_await bhttp::async_write(stream, message, asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::exchanging, request, error);

  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(request.answer_bytes_max);
  co_await bhttp::async_read(stream, buffer, parser,
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::exchanging, request, error);
  co_return Answer{parser.get().result_int(), parsed(endpoint, request, parser.get().body())};
}

void show_token(const tls::Identity& identity, Request& request) {
  if (!identity.bearer().empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + identity.bearer());
  }
}

/// Resolving has no expiry of its own: it races a timer.
asio::awaitable<asio::ip::tcp::resolver::results_type> resolve(const Endpoint& endpoint,
                                                               const Request& request,
                                                               Clock::time_point deadline) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  asio::steady_timer timer(executor, deadline);
  error_code error;
  error_code timer_error;
  auto outcome =
      co_await (resolver.async_resolve(endpoint.host, std::to_string(endpoint.port),
                                       asio::redirect_error(asio::use_awaitable, error)) ||
                timer.async_wait(asio::redirect_error(asio::use_awaitable, timer_error)));
  if (outcome.index() == 1) {
    raise(endpoint, Stage::connecting, request,
          timer_error ? error_code(asio::error::operation_aborted)
                      : error_code(beast::error::timeout));
  }
  if (error) raise(endpoint, Stage::connecting, request, error);
  co_return std::get<0>(outcome);
}

/// Inside TLS, where it is certain who answers: an agent, by a certificate for the name it was
/// called by.
asio::awaitable<Answer> over_tls(TcpStream stream, tls::Context context, const Endpoint& endpoint,
                                 const Request& request) {
  asio::ssl::stream<TcpStream> secure(std::move(stream), *context);
  tls::expect_host(secure.native_handle(), endpoint.host);
  error_code error;
  co_await secure.async_handshake(asio::ssl::stream_base::client,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error == beast::error::timeout || error == asio::error::operation_aborted) {
    raise(endpoint, Stage::connecting, request, error);
  }
  if (error) {
    throw Error(Code::unauthorized,
                fmt::format("TLS with the agent at {}: {}", endpoint.text(),
                            tls::failure_of(secure.native_handle(), error.message())),
                "its certificate must be of our authority, valid now and for that name or address");
  }
  const auto peer = tls::peer_of(secure.native_handle());
  if (peer.role != ApiRole::agent) {
    throw Error(Code::unauthorized,
                fmt::format("TLS with the agent at {}: the certificate of {} "
                            "is not an agent's",
                            endpoint.text(), as_utf8(peer.name)),
                "issue it with `cardswap pki issue --role agent`");
  }
  co_return co_await converse(secure, endpoint, request);
}

asio::awaitable<Answer> over_tcp(const Endpoint& endpoint, Request request) {
  const auto deadline = Clock::now() + request.timeout;
  const auto executor = co_await asio::this_coro::executor;
  error_code error;
  TcpStream stream(executor);
  const auto address = asio::ip::make_address(endpoint.host, error);
  stream.expires_at(deadline);
  if (!error) {  // numeric: no resolver thread
    co_await stream.async_connect(asio::ip::tcp::endpoint(address, endpoint.port),
                                  asio::redirect_error(asio::use_awaitable, error));
  } else {
    error = {};
    const auto found = co_await resolve(endpoint, request, deadline);
    co_await stream.async_connect(found, asio::redirect_error(asio::use_awaitable, error));
  }
  if (error) raise(endpoint, Stage::connecting, request, error);
  const auto* identity = tls::Identity::of(asio::query(executor, asio::execution::context));
  if (identity != nullptr && identity->tls()) {
    show_token(*identity, request);
    co_return co_await over_tls(std::move(stream), identity->tls(), endpoint, request);
  }
  co_return co_await converse(stream, endpoint, request);
}

asio::awaitable<Answer> over_unix(const Endpoint& endpoint, Request request) {
  const auto executor = co_await asio::this_coro::executor;
  if (const auto* identity = tls::Identity::of(asio::query(executor, asio::execution::context))) {
    show_token(*identity, request);
  }
  if (endpoint.unix_path.size() > 107) {
    throw Error(Code::bad_request,
                fmt::format("the socket path {} is longer than 107 bytes", endpoint.unix_path),
                "use a shorter data folder");
  }
  error_code error;
  UnixStream stream(executor);
  stream.expires_after(request.timeout);
  co_await stream.async_connect(asio::local::stream_protocol::endpoint(endpoint.unix_path),
                                asio::redirect_error(asio::use_awaitable, error));
  if (error) raise(endpoint, Stage::connecting, request, error);
  co_return co_await converse(stream, endpoint, request);
}

std::string text_at(const json::object& object, std::string_view key) {
  const auto* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace

Endpoint Endpoint::unix_socket(std::string path) { return {.unix_path = std::move(path)}; }

Endpoint Endpoint::tcp(std::string host, std::uint16_t port) {
  return {.unix_path = {}, .host = std::move(host), .port = port};
}

std::string Endpoint::text() const {
  if (!unix_path.empty()) return unix_path;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

asio::awaitable<Answer> exchange(Endpoint endpoint, Request request) {
  if (endpoint.unix_path.empty()) co_return co_await over_tcp(endpoint, std::move(request));
  co_return co_await over_unix(endpoint, std::move(request));
}

asio::awaitable<json::value> call(Endpoint endpoint, Request request) {
  auto answer = co_await exchange(endpoint, std::move(request));
  if (answer.status >= 400) throw error_of(endpoint, answer);
  co_return std::move(answer.body);
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      result.push_back(c);
    } else {
      result += fmt::format("%{:02X}", byte);
    }
  }
  return result;
}

Error error_of(const Endpoint& endpoint, const Answer& answer) {
  const auto* object = answer.body.if_object();
  const auto* error = object != nullptr ? object->if_contains("error") : nullptr;
  if (error != nullptr && error->is_object()) return error_from_json(*error);
  return {Code::internal, fmt::format("{} answered with status {} and no error text",
                                      endpoint.text(), answer.status)};
}

json::value to_json(const Error& error) {
  // A text may quote what a program printed, and JSON takes UTF-8 only.
  return json::object{{"code", to_string(error.code())},
                      {"failure", as_utf8(error.failure())},
                      {"hint", as_utf8(error.hint())}};
}

Error error_from_json(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return {Code::internal, "an error without a text"};
  const auto code = code_from_string(text_at(*object, "code")).value_or(Code::internal);
  return {code, text_at(*object, "failure"), text_at(*object, "hint")};
}

}  // namespace cardswap::http
