#include "tests/support/http.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <stdexcept>

#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

/// The stream's time limit works for asynchronous calls only, so the calls are asynchronous and run
/// to their end here.
HttpResponse exchange(const asio::generic::stream_protocol::endpoint& endpoint,
                      const HttpRequest& wanted) {
  asio::io_context context;
  beast::basic_stream<asio::generic::stream_protocol> stream(context);
  http::request<http::string_body> request;
  request.method_string(wanted.method);
  request.target(wanted.target);
  request.version(11);
  request.set(http::field::host, "localhost");
  if (!wanted.body.empty()) request.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : wanted.headers) request.set(name, value);
  request.body() = wanted.body;
  request.prepare_payload();
  http::response<http::string_body> response;
  beast::flat_buffer buffer;
  boost::system::error_code failed = asio::error::timed_out;
  stream.expires_after(10s * kPatience);
  stream.async_connect(endpoint, [&](boost::system::error_code error) {
    failed = error;
    if (error) return;
    // An agent that refuses a long body may answer before it has read everything, so the answer is
    // read in any case.
    http::async_write(stream, request, [&](boost::system::error_code, std::size_t) {
      http::async_read(stream, buffer, response,
                       [&](boost::system::error_code end, std::size_t) { failed = end; });
    });
  });
  context.run();
  if (failed)
    throw std::runtime_error(wanted.method + " " + wanted.target + ": " + failed.message());
  HttpResponse answer{
      response.result_int(), {}, response.body(), std::string(response[http::field::content_type])};
  boost::system::error_code no_json;
  if (auto value = boost::json::parse(answer.content, no_json); !no_json && value.is_object()) {
    answer.body = std::move(value.as_object());
  }
  return answer;
}

}  // namespace

std::string HttpResponse::code() const {
  const auto* error = body.if_contains("error");
  return error != nullptr && error->is_object() ? text(error->get_object(), "code") : "";
}

HttpResponse ask_over_unix(const Host& host, const HttpRequest& request) {
  const auto socket = host.dir() / "cardswapd.sock";
  return exchange(asio::local::stream_protocol::endpoint(socket.string()), request);
}

HttpResponse ask_over_tcp(const Host& host, const HttpRequest& request) {
  const auto port = static_cast<std::uint16_t>(host.port());
  return exchange(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), request);
}

}  // namespace cardswap::test
