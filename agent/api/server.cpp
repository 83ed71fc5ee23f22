#include "agent/api/server.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

namespace cardswap {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

constexpr std::size_t kBodyBytesMax = 1U << 20;
constexpr std::size_t kHeaderBytesMax = 16U << 10;
constexpr std::chrono::seconds kRequestTimeMax{30};
constexpr std::string_view kPeerProtocol = "1";

Error protocol_mismatch(const std::string& theirs) {
  return {Code::protocol_mismatch,
          fmt::format("the other agent speaks protocol {}, this one {}", theirs, kPeerProtocol),
          "run the same Cardswap release on both hosts"};
}

}  // namespace

ApiServer::ApiServer(asio::io_context& context, TaskGroup& tasks, const Router& router)
    : tasks_(tasks), router_(router), unix_(context), tcp_(context) {}

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
  if (path.string().size() > 107) {
    throw Error(Code::io, fmt::format("the socket path {} has over 107 bytes", path.string()),
                "choose a shorter --data-dir or --socket");
  }
  try {
    std::error_code gone;
    std::filesystem::remove(path, gone);  // a dead agent's: the data folder's lock says it is ours
    unix_.open();
    unix_.bind(asio::local::stream_protocol::endpoint(path.string()));
    ::chmod(path.c_str(), 0600);
    unix_.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io, fmt::format("listen on {}: {}", path.string(), error.code().message()),
                "check the folder and its rights");
  }
  unix_path_ = path;
  tasks_.spawn("accept on the unix socket", accept(unix_));
}

void ApiServer::listen_tcp(const std::string& host, std::uint16_t port) {
  try {
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(host), port);
    tcp_.open(endpoint.protocol());
    tcp_.set_option(asio::socket_base::reuse_address(true));
    tcp_.bind(endpoint);
    tcp_.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io, fmt::format("listen on {}:{}: {}", host, port, error.code().message()),
                "another agent or program has this port, or the address is not this host's; choose "
                "another with --listen");
  }
  tasks_.spawn("accept on tcp", accept(tcp_));
}

std::uint16_t ApiServer::tcp_port() const { return tcp_.local_endpoint().port(); }

template <class Acceptor>
asio::awaitable<void> ApiServer::accept(Acceptor& acceptor) {
  using Protocol = typename Acceptor::protocol_type;
  while (acceptor.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of descriptors, say: others go on, this one tries again
      co_await pause_for(std::chrono::milliseconds(50));
      continue;
    }
    tasks_.spawn("an API connection", serve(beast::basic_stream<Protocol>(std::move(socket))));
  }
}

template <class Stream>
asio::awaitable<void> ApiServer::serve(Stream stream) {
  beast::flat_buffer buffer;
  boost::system::error_code error;
  while (true) {
    bhttp::request_parser<bhttp::string_body> parser;
    parser.body_limit(kBodyBytesMax);
    parser.header_limit(kHeaderBytesMax);
    stream.expires_after(kRequestTimeMax);
    co_await bhttp::async_read(stream, buffer, parser,
                               asio::redirect_error(asio::use_awaitable, error));
    if (error == bhttp::error::end_of_stream || error == beast::error::timeout ||
        error == asio::error::operation_aborted || error == asio::error::connection_reset) {
      co_return;
    }
    ApiAnswer answer;
    const bool readable = !error;
    if (readable) {
      stream.expires_never();
      const auto& request = parser.get();
      const auto protocol = request.find("Cardswap-Protocol");
      if (protocol != request.end() && protocol->value() != kPeerProtocol) {
        answer = answer_of(protocol_mismatch(std::string(protocol->value())));
      } else {
        answer = co_await router_.handle(std::string(request.method_string()),
                                         std::string(request.target()), request.body());
      }
    } else {
      answer =
          answer_of(Error(Code::bad_request, fmt::format("this is no request: {}", error.message()),
                          "the agent speaks HTTP/1.1 with JSON; docs/api.md"));
    }
    bhttp::response<bhttp::string_body> response(static_cast<bhttp::status>(answer.status), 11);
    const bool as_text = !answer.content_type.empty();
    response.set(bhttp::field::content_type, as_text ? answer.content_type : "application/json");
    response.keep_alive(readable && parser.get().keep_alive());
    response.body() = as_text ? std::move(answer.text) : boost::json::serialize(answer.body) + "\n";
    response.prepare_payload();
    stream.expires_after(kRequestTimeMax);
    co_await bhttp::async_write(stream, response, asio::redirect_error(asio::use_awaitable, error));
    if (error || !response.keep_alive()) co_return;
  }
}

}  // namespace cardswap
