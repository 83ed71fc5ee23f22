#include "tests/support/http.h"

#include <boost/asio/connect.hpp>
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

/// The stream's time limit counts in asynchronous calls only, so these are: run to their end here.
template <class Protocol>
HttpAnswer exchange(const typename Protocol::endpoint& endpoint, const HttpRequest& wanted) {
  asio::io_context context;
  beast::basic_stream<Protocol> stream(context);
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
    // An agent that refuses a long body may answer before it has read all: read in any case.
    http::async_write(stream, request, [&](boost::system::error_code, std::size_t) {
      http::async_read(stream, buffer, response,
                       [&](boost::system::error_code end, std::size_t) { failed = end; });
    });
  });
  context.run();
  if (failed)
    throw std::runtime_error(wanted.method + " " + wanted.target + ": " + failed.message());
  HttpAnswer answer{
      response.result_int(), {}, response.body(), std::string(response[http::field::content_type])};
  boost::system::error_code no_json;
  if (auto value = boost::json::parse(answer.content, no_json); !no_json && value.is_object()) {
    answer.body = std::move(value.as_object());
  }
  return answer;
}

}  // namespace

std::string HttpAnswer::code() const {
  const auto* error = body.if_contains("error");
  return error != nullptr && error->is_object() ? text(error->get_object(), "code") : "";
}

HttpAnswer ask_over_unix(const Host& host, const HttpRequest& request) {
  return exchange<asio::local::stream_protocol>((host.dir() / "cardswapd.sock").string(), request);
}

HttpAnswer ask_over_tcp(const Host& host, const HttpRequest& request) {
  return exchange<asio::ip::tcp>(
      {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(host.port())}, request);
}

}  // namespace cardswap::test
